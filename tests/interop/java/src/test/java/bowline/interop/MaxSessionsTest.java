package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A server that takes one session. */
class MaxSessionsTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with("--max-sessions", "1");

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("counts a refused connection as one that ended, and so admits the client's next attempt")
  void a_session_too_many_is_refused_and_a_closed_one_makes_room(ClientKind kind)
      throws Exception {
    try (TestClient first = TestClient.withSession(kind, SERVER.port());
        TestClient second = TestClient.idle(kind, SERVER.port(), "/demo")) {
      first.raw().setSendCloseMessage(true);
      second.raw().setTryReconnectingMaxTime(0);
      second.raw().setRequestTimeout(1_000);

      assertThrows(Exception.class, () -> second.raw().connectWithSession());

      assertEquals(Json.object("{'a':1}"), first.call("echo", Json.object("{'a':1}")));
    }
    try (TestClient third = TestClient.withSession(kind, SERVER.port())) {
      third.raw().setSendCloseMessage(true);
      assertEquals(Json.object("{'a':1}"), third.call("echo", Json.object("{'a':1}")));
    }
  }
}
