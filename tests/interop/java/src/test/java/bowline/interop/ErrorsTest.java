package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertLinesMatch;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import java.util.List;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kurento.jsonrpc.JsonRpcErrorException;

/** Errors as the client's application sees them. */
class ErrorsTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void an_error_keeps_its_code_message_data_and_type(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      JsonRpcErrorException error = client.error("fail", Json.object("{'why':1}"));

      assertEquals(1001, error.getCode());
      assertEquals("demo failure", error.getServerMessage());
      assertEquals(
          Json.object("{'type':'DEMO_FAILURE','params':{'why':1}}"), Json.element(error.getData()));
      assertEquals("DEMO_FAILURE", error.getError().getType());
    }
  }

  @ParameterizedTest
  @EnumSource
  void an_unknown_method_is_told_by_its_code(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      assertEquals(-32601, client.error("no-such-method", Json.object("{}")).getCode());
    }
  }

  @ParameterizedTest
  @EnumSource
  void params_of_the_wrong_type_are_told_with_the_name_of_the_field(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      JsonRpcErrorException error = client.error("add", Json.object("{'a':'x','b':1}"));

      assertEquals(-32602, error.getCode());
      assertLinesMatch(List.of(".*[`'\".]a\\b.*"), List.of(error.getServerMessage()));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_failing_handler_costs_the_call_and_not_the_session(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      String session = client.sessionId();

      client.error("panic", Json.object("{}"));

      assertEquals(Json.object("{'a':1}"), client.call("echo", Json.object("{'a':1}")));
      assertEquals(session, client.sessionId());
    }
  }

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("answers -1 with the Java exception's name and stack trace")
  void a_failing_handler_is_an_internal_error_that_tells_nothing_of_the_inside(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      assertEquals(-32603, client.error("panic", Json.object("{}")).getCode());
    }
  }
}
