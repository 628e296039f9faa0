package bowline.interop.demo;

import com.google.gson.JsonElement;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import org.kurento.jsonrpc.DefaultJsonRpcHandler;
import org.kurento.jsonrpc.Session;
import org.kurento.jsonrpc.Transaction;
import org.kurento.jsonrpc.message.Request;

/** Finds the demo method that a request names. */
final class DemoHandler extends DefaultJsonRpcHandler<JsonElement> {
  private static final int METHOD_NOT_FOUND = -32601;

  private final Duration reconnectionTimeout;
  private final Map<String, DemoMethod> methods = new HashMap<>();

  DemoHandler(String path, Duration reconnectionTimeout, ScheduledExecutorService later) {
    this.reconnectionTimeout = reconnectionTimeout;
    methods.putAll(new CallMethods(later).table());
    methods.putAll(new SessionMethods(path, later).table());
    methods.putAll(new PushMethods(later).table());
  }

  @Override
  public void afterConnectionEstablished(Session session) {
    session.setReconnectionTimeout(reconnectionTimeout.toMillis());
  }

  @Override
  public void handleRequest(Transaction transaction, Request<JsonElement> request)
      throws Exception {
    DemoMethod method = methods.get(request.getMethod());
    if (method != null) {
      method.answer(transaction, new Params(request.getParams()));
    } else if (!transaction.isNotification()) {
      transaction.sendError(
          METHOD_NOT_FOUND, null, "method not found: " + request.getMethod(), null);
    }
  }
}
