package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.Proxy;
import bowline.interop.support.TestClient;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The client's pings, and the server's watchdog over them. */
class HeartbeatTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with("--ping-watchdog");

  @ParameterizedTest
  @EnumSource
  void a_client_that_pings_is_left_alone(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.raw().enableHeartbeat(200);

      client.events().noneWithin(Duration.ofSeconds(2), Events.RECONNECTING);
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_client_that_never_pinged_is_left_alone(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.events().noneWithin(Duration.ofMillis(500), Events.RECONNECTING);
    }
  }

  @Test
  @BowlineOnly("holds the transport for ever, as this client never answers a close frame")
  void a_client_that_stops_pinging_is_cut_and_finds_its_session_again() throws Exception {
    try (TestClient client = TestClient.withSession(ClientKind.NETTY, SERVER.port())) {
      client.call("count");
      assertEquals("pong", client.call("ping", Json.object("{'interval':200}"), String.class));

      client.events().await(Events.RECONNECTING);
      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(2, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @Test
  @BowlineOnly("asks nobody before it cuts")
  void a_client_that_answers_the_servers_probe_is_left_alone() throws Exception {
    // Jetty answers a WebSocket ping by itself, Netty as Kurento uses it does not.
    try (TestClient client = TestClient.withSession(ClientKind.JETTY, SERVER.port())) {
      client.call("ping", Json.object("{'interval':100}"));

      client.events().noneWithin(Duration.ofMillis(1500), Events.RECONNECTING);
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_silent_network_is_noticed_by_the_clients_pings(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.call("count");
      client.raw().setRequestTimeout(1_000);
      client.raw().enableHeartbeat(100);

      proxy.freeze();

      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(2, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("cuts it again and again")
  void a_client_whose_pings_ended_with_its_transport_is_not_cut_again(ClientKind kind)
      throws Exception {
    // Kurento's client does not start its pings again after a reconnection.
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.raw().enableHeartbeat(100);
      client.events().noneWithin(Duration.ofMillis(300), Events.RECONNECTING);

      proxy.cut();

      client.events().await(Events.RECONNECTED_SAME);
      client.events().noneWithin(Duration.ofMillis(1500), Events.RECONNECTING);
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_ping_makes_no_session(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      assertEquals("pong", client.call("ping", null, String.class));

      assertEquals(Json.object("{'count':1,'isNew':true}"), client.call("count"));
    }
  }
}
