package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bowline.interop.support.ClientKind;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.TestClient;
import bowline.interop.support.Within;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Calls of the client, and the shapes in which answers come back. */
class CallsTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with();

  /** As an application of Kurento would declare them. */
  record Terms(int a, int b) { }

  /** The answer of {@code sleep}. */
  static class Slept {
    int slept;
  }

  @ParameterizedTest
  @EnumSource
  void an_object_comes_back_as_it_was_sent(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      JsonObject params = Json.object("{'text':'ü€😀','list':[1,2.5,null],'deep':{'yes':true}}");

      assertEquals(params, client.call("echo", params));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_path_of_its_own_serves_the_same_methods(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.idle(kind, SERVER.port(), "/echo")) {
      client.raw().connect();

      assertEquals(Json.object("{'a':1}"), client.call("echo", Json.object("{'a':1}")));
      assertEquals("/echo", client.call("whoami").getAsJsonObject().get("path").getAsString());
    }
  }

  @ParameterizedTest
  @EnumSource
  void scalars_and_arrays_come_back_to_a_caller_who_asks_for_them(ClientKind kind)
      throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      assertEquals("text", client.call("echo", "text", String.class));
      assertEquals(42, client.call("echo", 42, Integer.class));
      assertEquals(true, client.call("echo", true, Boolean.class));
      assertEquals(
          Json.element("{'value':[1,2,3]}"), client.call("echo", Json.element("[1,2,3]")));
    }
  }

  @ParameterizedTest
  @EnumSource
  void typed_params_are_read_and_a_typed_result_comes_back(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      assertEquals(5, client.call("add", new Terms(2, 3), Integer.class));
      assertEquals(1, client.call("sleep", Json.object("{'ms':1}"), Slept.class).slept);
    }
  }

  @ParameterizedTest
  @EnumSource
  void no_answer_from_the_handler_is_the_empty_text(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      assertEquals("", client.call("empty", null, String.class));
    }
  }

  @ParameterizedTest
  @EnumSource
  void an_asynchronous_answer_lets_later_calls_overtake(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      CompletableFuture<JsonElement> late = client.start("sleep", Json.object("{'ms':1000}"));

      client.call("echo", Json.object("{}"));

      assertFalse(late.isDone());
      assertEquals(Json.object("{'slept':1000}"), Within.limit(late));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_busy_handler_keeps_later_calls_waiting_but_not_pings(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      List<String> order = new ArrayList<>();
      CompletableFuture<Void> busy =
          client.start("slow", Json.object("{'ms':500}")).thenRun(() -> add(order, "slow"));
      CompletableFuture<Void> next =
          client.start("echo", Json.object("{}")).thenRun(() -> add(order, "echo"));
      CompletableFuture<Void> ping =
          client.start("ping", Json.object("{}")).thenRun(() -> add(order, "ping"));

      Within.limit(CompletableFuture.allOf(busy, next, ping));

      assertEquals("ping", order.get(0));
      assertTrue(order.containsAll(List.of("slow", "echo")));
    }
  }

  private static void add(List<String> order, String name) {
    synchronized (order) {
      order.add(name);
    }
  }

  @ParameterizedTest
  @EnumSource
  void many_calls_at_once_get_each_its_own_answer(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      List<CompletableFuture<JsonElement>> answers = new ArrayList<>();
      for (int i = 0; i < 300; i++) {
        answers.add(client.start("add", Json.object("{'a':" + i + ",'b':1}")));
      }
      for (int i = 0; i < 300; i++) {
        assertEquals(
            i + 1, Within.limit(answers.get(i)).getAsJsonObject().get("value").getAsInt());
      }
    }
  }
}
