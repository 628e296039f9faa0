package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Peer;
import bowline.interop.support.Proxy;
import bowline.interop.support.TestClient;
import java.time.Duration;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The server's own reconnection timeout. */
class GraceTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with("--reconnection-timeout", "1s");

  @ParameterizedTest
  @EnumSource
  void the_servers_reconnection_timeout_ends_a_session_without_a_transport(ClientKind kind)
      throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.call("count");

      client.sufferOutage(proxy, Duration.ofSeconds(3));

      client.events().await(Events.RECONNECTED_NEW);
      assertEquals(1, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_reconnection_in_time_stops_the_clock(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.call("count");

      proxy.cut();
      client.events().await(Events.RECONNECTED_SAME);
      // Twice the timeout with a transport again.
      client.events().noneWithin(Duration.ofSeconds(2), Events.RECONNECTING);

      assertEquals(2, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }
}
