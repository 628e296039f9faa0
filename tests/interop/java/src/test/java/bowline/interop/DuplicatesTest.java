package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kurento.jsonrpc.message.Request;

/** The same request id again: what a client does that did not get its answer. */
class DuplicatesTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  @BowlineOnly("executes the request again")
  void a_repeated_request_is_not_executed_twice(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      JsonElement first = count(client, 1000);

      assertEquals(first, count(client, 1000));
      assertEquals(2, count(client, 1001).getAsJsonObject().get("count").getAsInt());
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_request_of_the_heir_of_a_session_is_its_own_though_its_id_was_used(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      count(client, 2000);
      String session = client.sessionId();
      client.close();
      try (TestClient heir = TestClient.connected(kind, SERVER.port())) {
        heir.claim(session);

        assertEquals(2, count(heir, 2000).getAsJsonObject().get("count").getAsInt());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_same_id_in_two_sessions_is_two_requests(ClientKind kind) throws Exception {
    try (TestClient one = TestClient.withSession(kind, SERVER.port());
        TestClient two = TestClient.withSession(kind, SERVER.port())) {
      count(one, 3000);
      one.call("count");

      assertEquals(1, count(two, 3000).getAsJsonObject().get("count").getAsInt());
    }
  }

  private static JsonElement count(TestClient client, int id) throws IOException {
    Request<JsonObject> request = new Request<>(id, "count", Json.object("{}"));
    return client.raw().sendRequestHonorId(request).getResult();
  }
}
