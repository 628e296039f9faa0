package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.Proxy;
import bowline.interop.support.TestClient;
import bowline.interop.support.Within;
import com.google.gson.JsonElement;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kurento.jsonrpc.JsonRpcErrorException;

/** The transport goes, the session stays. */
class ReconnectionTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void a_cut_transport_is_replaced_and_the_session_is_the_same(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.call("count");
      String session = client.sessionId();

      proxy.cut();

      client.events().await(Events.RECONNECTING);
      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(Json.object("{'count':2,'isNew':false}"), client.call("count"));
      assertEquals(session, client.sessionId());
    }
  }

  @ParameterizedTest
  @EnumSource
  void cut_after_cut_the_session_is_the_same(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      for (int i = 1; i <= 5; i++) {
        assertEquals(i, client.call("count").getAsJsonObject().get("count").getAsInt());
        proxy.cut();
        // The client forgets that it was reconnecting a moment after it has told that it did. Who is cut
        // off in that moment tells of a connection; its session is the same all the same.
        client.events().awaitAny(Events.RECONNECTED_SAME, Events.CONNECTED);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_server_out_of_reach_for_some_attempts_is_found_again(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.call("count");

      // The client tries again every 200 ms.
      client.sufferOutage(proxy, Duration.ofMillis(800));

      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(2, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_server_cuts_the_transport_itself(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.call("count");

      client.start("close-transport", Json.object("{}"));

      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(2, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("sends the answer to the transport that is gone")
  void an_answer_that_finds_no_transport_comes_after_the_reconnection(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      CompletableFuture<JsonElement> answer = client.start("close-transport", Json.object("{}"));

      client.events().await(Events.RECONNECTED_SAME);

      assertEquals(Json.object("{'cut':true}"), Within.limit(answer));
    }
  }

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("throws notifications without a transport away")
  void notifications_that_find_no_transport_come_in_order_after_the_reconnection(ClientKind kind)
      throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.raw().setConcurrentServerRequest(false);
      client.call("notify-later", Json.object("{'n':20,'delay':300,'every':1}"));

      client.sufferOutage(proxy, Duration.ofMillis(800));

      client.events().await(Events.RECONNECTED_SAME);
      for (int i = 0; i < 20; i++) {
        assertEquals(
            Json.object("{'i':" + i + "}"), client.inbox().nextNotification().getParams());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_session_that_waited_too_long_is_followed_by_a_new_one(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.call("count");
      client.call("set-grace", Json.object("{'ms':50}"));

      client.sufferOutage(proxy, Duration.ofMillis(800));

      client.events().await(Events.RECONNECTED_NEW);
      assertEquals(1, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_restarted_server_gives_a_new_session_and_calls_in_flight_fail(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.call("count");
      CountDownLatch inFlight = new CountDownLatch(1);
      client.inbox().answer((transaction, request) -> {
        transaction.startAsync();
        inFlight.countDown();
      });
      // Not by a continuation: the client forgets those when its first attempt to reconnect fails.
      CompletableFuture<JsonRpcErrorException> lost =
          CompletableFuture.supplyAsync(
              () -> client.error("ask-me", Json.object("{'method':'question'}")));
      assertTrue(inFlight.await(Within.LIMIT.toMillis(), TimeUnit.MILLISECONDS));

      SERVER.restart();

      client.events().await(Events.RECONNECTED_NEW);
      assertEquals(1, client.call("count").getAsJsonObject().get("count").getAsInt());
      assertEquals("Connection with server have been closed", Within.limit(lost).getServerMessage());
    }
  }
}
