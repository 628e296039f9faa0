package bowline.interop.demo;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.atomic.AtomicInteger;
import org.kurento.jsonrpc.Session;
import org.kurento.jsonrpc.Transaction;
import org.kurento.jsonrpc.internal.ws.WebSocketServerSession;

/** The methods about the session: what it remembers, how it ends. */
final class SessionMethods {
  private final String path;
  private final ScheduledExecutorService later;

  SessionMethods(String path, ScheduledExecutorService later) {
    this.path = path;
    this.later = later;
  }

  Map<String, DemoMethod> table() {
    return Map.of(
        "count", this::count,
        "whoami", this::whoAmI,
        "set-grace", this::setGrace,
        "close-me", this::closeMe,
        "close-transport", this::closeTransport);
  }

  private void count(Transaction transaction, Params params) throws IOException {
    Session session = transaction.getSession();
    boolean isNew = session.isNew();
    Object count = session.getAttributes().computeIfAbsent("count", name -> new AtomicInteger());
    JsonObject answer = Params.object("count", ((AtomicInteger) count).incrementAndGet());
    answer.addProperty("isNew", isNew);
    transaction.sendResponse(answer);
  }

  private void whoAmI(Transaction transaction, Params params) throws IOException {
    JsonObject answer = Params.object("sessionId", transaction.getSession().getSessionId());
    answer.addProperty("path", path);
    answer.addProperty("transport", "websocket");
    transaction.sendResponse(answer);
  }

  private void setGrace(Transaction transaction, Params params) throws IOException {
    transaction.getSession().setReconnectionTimeout(params.integer("ms"));
    transaction.sendResponse(Params.object("ok", true));
  }

  /** Closing interrupts the session's own thread, so another one does it. */
  private void closeMe(Transaction transaction, Params params) throws IOException {
    Session session = transaction.getSession();
    transaction.sendResponse(Params.object("closing", true));
    later.submit(
        () -> {
          session.close();
          return null;
        });
  }

  /** The library sends an answer to the transport that brought the request: this one is lost. */
  private void closeTransport(Transaction transaction, Params params) throws Exception {
    WebSocketServerSession session = (WebSocketServerSession) transaction.getSession();
    TransportCutter.cut(session.getWebSocketSession());
    transaction.sendResponse(Params.object("cut", true));
  }
}
