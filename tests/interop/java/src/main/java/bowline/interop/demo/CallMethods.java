package bowline.interop.demo;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.kurento.jsonrpc.Transaction;
import org.kurento.jsonrpc.message.ResponseError;

/** The methods that are nothing but a call and its answer. */
final class CallMethods {
  private static final int DEMO_FAILURE = 1001;

  private final ScheduledExecutorService later;

  CallMethods(ScheduledExecutorService later) {
    this.later = later;
  }

  Map<String, DemoMethod> table() {
    return Map.of(
        "echo", this::echo,
        "add", this::add,
        "sleep", this::sleep,
        "slow", this::slow,
        "fail", this::fail,
        "panic", this::panic,
        "empty", (transaction, params) -> { },
        "big", this::big);
  }

  private void echo(Transaction transaction, Params params) throws IOException {
    if (params.given() && !transaction.isNotification()) {
      transaction.sendResponse(params.orNull());
    }
  }

  private void add(Transaction transaction, Params params) throws IOException {
    transaction.sendResponse(params.integer("a") + params.integer("b"));
  }

  private void sleep(Transaction transaction, Params params) {
    int milliseconds = params.integer("ms");
    transaction.startAsync();
    later.schedule(
        () -> {
          transaction.sendResponse(Params.object("slept", milliseconds));
          return null;
        },
        milliseconds,
        TimeUnit.MILLISECONDS);
  }

  private void slow(Transaction transaction, Params params) throws Exception {
    int milliseconds = params.integer("ms");
    Thread.sleep(milliseconds);
    transaction.sendResponse(Params.object("slept", milliseconds));
  }

  private void fail(Transaction transaction, Params params) throws IOException {
    JsonObject data = Params.object("type", "DEMO_FAILURE");
    data.add("params", params.orNull());
    transaction.sendError(new ResponseError(DEMO_FAILURE, "demo failure", data));
  }

  private void panic(Transaction transaction, Params params) {
    throw new IllegalStateException("demo panic");
  }

  private void big(Transaction transaction, Params params) throws IOException {
    transaction.sendResponse(Params.object("text", "x".repeat(params.integer("bytes"))));
  }
}
