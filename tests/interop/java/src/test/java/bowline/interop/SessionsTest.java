package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kurento.jsonrpc.JsonRpcErrorException;
import org.kurento.jsonrpc.JsonRpcException;

/** How a session begins, what it remembers, and how it ends. */
class SessionsTest {
  private static final int UNKNOWN_SESSION = 40007;

  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void a_client_can_ask_for_a_session_when_it_connects(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      String session = client.sessionId();

      // The client takes the member `sessionId` out of every result: it tells whose session it was.
      client.call("whoami");

      assertEquals(session, client.sessionId());
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_first_call_makes_a_session_that_is_new_only_then(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      assertEquals(Json.object("{'count':1,'isNew':true}"), client.call("count"));
      assertEquals(Json.object("{'count':2,'isNew':false}"), client.call("count"));
    }
  }

  @ParameterizedTest
  @EnumSource
  void two_clients_have_two_sessions(ClientKind kind) throws Exception {
    try (TestClient one = TestClient.withSession(kind, SERVER.port());
        TestClient two = TestClient.withSession(kind, SERVER.port())) {
      assertNotEquals(one.sessionId(), two.sessionId());
      one.call("count");
      assertEquals(1, two.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_session_waits_for_another_client_when_its_client_just_goes(ClientKind kind)
      throws Exception {
    String session;
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.call("count");
      session = client.sessionId();
    }
    try (TestClient heir = TestClient.connected(kind, SERVER.port())) {
      assertEquals("reconnection successful", heir.claim(session));
      assertEquals(Json.object("{'count':2,'isNew':false}"), heir.call("count"));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_close_message_ends_the_session_at_once(ClientKind kind) throws Exception {
    String session;
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.raw().setSendCloseMessage(true);
      session = client.sessionId();
    }
    try (TestClient late = TestClient.connected(kind, SERVER.port())) {
      assertUnknown(late, session);
    }
  }

  @ParameterizedTest
  @EnumSource
  void an_unknown_session_is_told_and_leaves_the_transport_usable(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      assertUnknown(client, "00000000-0000-4000-8000-000000000000");

      client.raw().setSessionId(null);
      assertEquals(Json.object("{'count':1,'isNew':true}"), client.call("count"));
    }
  }

  @Test
  void a_session_that_the_server_closes_is_followed_by_a_new_one() throws Exception {
    loseSessionToServer(ClientKind.JETTY);
  }

  @Test
  @BowlineOnly("holds the transport for ever, as this client never answers a close frame")
  void a_closed_session_takes_the_transport_of_a_client_along_that_ignores_close_frames()
      throws Exception {
    loseSessionToServer(ClientKind.NETTY);
  }

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("lets a transport guess for ever")
  void a_transport_that_keeps_guessing_sessions_is_closed(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      for (int i = 1; i < 8; i++) {
        assertUnknown(client, "00000000-0000-4000-8000-00000000000" + i);
      }
      // Whether the eighth is still answered is the server's affair.
      assertThrows(
          JsonRpcException.class, () -> client.claim("00000000-0000-4000-8000-000000000008"));
      client.events().await(Events.RECONNECTING);
    }
  }

  private static void loseSessionToServer(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      String closed = client.sessionId();
      client.call("count");

      assertEquals(
          Json.object("{'closing':true}"), client.call("close-me", Json.object("{}")));

      client.events().await(Events.RECONNECTED_NEW);
      assertNotEquals(closed, client.sessionId());
      assertEquals(1, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }

  private static void assertUnknown(TestClient client, String session) {
    JsonRpcErrorException error =
        assertThrows(JsonRpcErrorException.class, () -> client.claim(session));
    assertEquals(UNKNOWN_SESSION, error.getCode());
    assertEquals("reconnection error", error.getServerMessage());
  }
}
