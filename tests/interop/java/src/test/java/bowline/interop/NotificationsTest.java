package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bowline.interop.support.ClientKind;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import com.google.gson.JsonElement;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kurento.jsonrpc.message.Request;

/** Notifications in both directions. */
class NotificationsTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void the_server_gets_the_clients_notifications_in_order(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.raw().sendNotification("log", Json.object("{'n':1}"));
      client.raw().sendNotification("log", Json.object("{'n':2}"));

      assertEquals(Json.object("{'count':2,'last':{'n':2}}"), client.call("logged"));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_notification_that_fails_gets_no_answer_that_disturbs_the_client(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.raw().sendNotification("fail", Json.object("{}"));
      client.raw().sendNotification("no-such-method", Json.object("{}"));

      assertEquals(Json.object("{'a':1}"), client.call("echo", Json.object("{'a':1}")));
    }
  }

  @ParameterizedTest
  @EnumSource
  void notifications_sent_before_an_answer_come_before_it(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      // Otherwise the client hands them to a pool of threads, in no order.
      client.raw().setConcurrentServerRequest(false);

      client.call("notify-me", Json.object("{'n':100,'method':'tick'}"));

      assertEquals(100, client.inbox().notificationsHere());
      for (int i = 0; i < 100; i++) {
        Request<JsonElement> tick = client.inbox().nextNotification();
        assertEquals("tick", tick.getMethod());
        assertEquals(Json.object("{'i':" + i + "}"), tick.getParams());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void notifications_come_from_outside_any_handler(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      client.raw().setConcurrentServerRequest(false);

      client.call("notify-later", Json.object("{'n':3,'delay':50,'every':20}"));

      for (int i = 0; i < 3; i++) {
        assertEquals(
            Json.object("{'i':" + i + "}"), client.inbox().nextNotification().getParams());
      }
    }
  }
}
