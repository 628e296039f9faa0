package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

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

/** Requests of the server that the client answers. */
class ServerRequestsTest {
  private static final JsonObject QUESTION = Json.object("{'method':'question','params':{'k':7}}");

  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void the_client_answers_with_an_object(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.inbox().answer((transaction, request) -> {
        JsonObject answer = Json.object("{}");
        answer.addProperty("method", request.getMethod());
        answer.add("params", request.getParams());
        transaction.sendResponse(answer);
      });

      assertEquals(
          Json.object("{'answer':{'method':'question','params':{'k':7}}}"),
          client.call("ask-me", QUESTION));
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_client_answers_before_it_knows_of_a_session(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.connected(kind, SERVER.port())) {
      client.inbox().answer((transaction, request) -> transaction.sendResponse(request.getParams()));

      assertEquals(Json.object("{'answer':{'k':7}}"), client.call("ask-me", QUESTION));
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_client_answers_with_an_error(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.inbox().answer(
          (transaction, request) -> transaction.sendError(77, null, "no wish to", null));

      assertEquals(
          Json.object("{'error':{'code':77,'message':'no wish to'}}"),
          client.call("ask-me", QUESTION));
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_clients_handler_gives_no_answer(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      assertEquals(Json.object("{'answer':''}"), client.call("ask-me", QUESTION));
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_client_asks_back_before_it_answers(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port());
        TestClient other = TestClient.withSession(kind, SERVER.port())) {
      client.inbox().answer((transaction, request) ->
          transaction.sendResponse(other.call("echo", Json.object("{'asked':true}"))));

      assertEquals(
          Json.object("{'answer':{'asked':true}}"), client.call("ask-me", QUESTION));
    }
  }

  @ParameterizedTest
  @EnumSource
  void many_requests_of_the_server_get_each_its_own_answer(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSession(kind, SERVER.port())) {
      client.inbox().answer((transaction, request) -> transaction.sendResponse(request.getParams()));
      List<CompletableFuture<JsonElement>> answers = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        answers.add(client.start("ask-me", Json.object("{'method':'q','params':{'i':" + i + "}}")));
      }
      for (int i = 0; i < 50; i++) {
        assertEquals(Json.object("{'answer':{'i':" + i + "}}"), Within.limit(answers.get(i)));
      }
    }
  }
}
