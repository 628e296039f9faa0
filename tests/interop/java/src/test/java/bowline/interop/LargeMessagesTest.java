package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import com.google.gson.JsonObject;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Messages up to the limits. The client's own is 1,000,000 bytes a frame. */
class LargeMessagesTest {
  private static final int JUST_UNDER_A_MEGABYTE = 999_000;

  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void a_large_message_goes_both_ways(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      JsonObject params = Json.object("{}");
      params.addProperty("text", "x".repeat(JUST_UNDER_A_MEGABYTE));

      assertEquals(params, client.call("echo", params));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_large_answer_comes_to_a_small_question(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      JsonObject answer =
          client.call("big", Json.object("{'bytes':" + JUST_UNDER_A_MEGABYTE + "}"))
              .getAsJsonObject();

      assertEquals(JUST_UNDER_A_MEGABYTE, answer.get("text").getAsString().length());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 125, 126, 8_192, 8_193, 65_535, 65_536, 131_072})
  void sizes_around_the_boundaries_of_frames_and_buffers_go_both_ways(int size) throws Exception {
    try (TestClient client = TestClient.withSession(ClientKind.NETTY, SERVER.port())) {
      JsonObject params = Json.object("{}");
      params.addProperty("text", "é".repeat(size));

      assertEquals(params, client.call("echo", params));
    }
  }

  @Test
  void a_message_above_the_limit_costs_the_transport_and_not_the_session() throws Exception {
    try (TestClient client = TestClient.withSession(ClientKind.NETTY, SERVER.port())) {
      client.call("count");
      JsonObject params = Json.object("{}");
      params.addProperty("text", "x".repeat(1_100_000));

      client.start("echo", params);

      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(2, client.call("count").getAsJsonObject().get("count").getAsInt());
    }
  }
}
