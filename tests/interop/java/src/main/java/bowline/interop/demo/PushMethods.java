package bowline.interop.demo;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.kurento.jsonrpc.Session;
import org.kurento.jsonrpc.Transaction;
import org.kurento.jsonrpc.message.Request;
import org.kurento.jsonrpc.message.Response;
import org.kurento.jsonrpc.message.ResponseError;

/** The methods by which server and client call and notify each other. */
final class PushMethods {
  private final ScheduledExecutorService later;

  PushMethods(ScheduledExecutorService later) {
    this.later = later;
  }

  Map<String, DemoMethod> table() {
    return Map.of(
        "notify-me", this::notifyMe,
        "notify-later", this::notifyLater,
        "ask-me", this::askMe,
        "log", this::log,
        "logged", this::logged);
  }

  private void notifyMe(Transaction transaction, Params params) throws IOException {
    int n = params.integer("n");
    String method = params.text("method", "event");
    for (int i = 0; i < n; i++) {
      transaction.getSession().sendNotification(method, Params.object("i", i));
    }
    transaction.sendResponse(Params.object("sent", n));
  }

  /** A notification that finds no transport is lost: the library keeps none. */
  private void notifyLater(Transaction transaction, Params params) throws IOException {
    Session session = transaction.getSession();
    int delay = params.integer("delay");
    int every = params.integer("every");
    for (int i = 0, n = params.integer("n"); i < n; i++) {
      JsonObject event = Params.object("i", i);
      later.schedule(
          () -> {
            session.sendNotification("event", event);
            return null;
          },
          delay + (long) i * every,
          TimeUnit.MILLISECONDS);
    }
    transaction.sendResponse(Params.object("ok", true));
  }

  private void askMe(Transaction transaction, Params params) throws IOException {
    // The library's type says object, but what it writes is any JSON.
    @SuppressWarnings({"unchecked", "rawtypes"})
    Request<JsonObject> request =
        new Request(null, params.text("method", "ask"), params.member("params"));
    Response<JsonElement> response = transaction.getSession().sendRequest(request);
    if (response.getError() == null) {
      transaction.sendResponse(Params.object("answer", response.getResult()));
    } else {
      transaction.sendResponse(Params.object("error", asJson(response.getError())));
    }
  }

  private static JsonObject asJson(ResponseError error) {
    JsonObject json = Params.object("code", error.getCode());
    json.addProperty("message", error.getMessage());
    if (error.getData() != null) {
      json.addProperty("data", error.getData());
    }
    return json;
  }

  private void log(Transaction transaction, Params params) {
    Map<String, Object> attributes = transaction.getSession().getAttributes();
    attributes.merge("logged", 1, (old, one) -> (Integer) old + (Integer) one);
    attributes.put("last", params.orNull());
  }

  private void logged(Transaction transaction, Params params) throws IOException {
    Map<String, Object> attributes = transaction.getSession().getAttributes();
    JsonObject answer = Params.object("count", (Integer) attributes.getOrDefault("logged", 0));
    answer.add("last", (JsonElement) attributes.get("last"));
    transaction.sendResponse(answer);
  }
}
