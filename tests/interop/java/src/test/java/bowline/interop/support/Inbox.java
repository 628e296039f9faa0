package bowline.interop.support;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.google.gson.JsonElement;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.kurento.jsonrpc.DefaultJsonRpcHandler;
import org.kurento.jsonrpc.Transaction;
import org.kurento.jsonrpc.message.Request;

/** What the server sent to a client: notifications are kept, requests get the answer that the test chose. */
public final class Inbox extends DefaultJsonRpcHandler<JsonElement> {
  private final BlockingQueue<Request<JsonElement>> notifications = new LinkedBlockingQueue<>();
  private volatile Answer answer = (transaction, request) -> { };

  /** How the client answers a request of the server. */
  public interface Answer {
    void to(Transaction transaction, Request<JsonElement> request) throws Exception;
  }

  public void answer(Answer answer) {
    this.answer = answer;
  }

  public Request<JsonElement> nextNotification() throws InterruptedException {
    Request<JsonElement> next =
        notifications.poll(Within.LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    assertNotNull(next, "no notification within " + Within.LIMIT);
    return next;
  }

  /** Those that are here, without waiting. */
  public int notificationsHere() {
    return notifications.size();
  }

  @Override
  public void handleRequest(Transaction transaction, Request<JsonElement> request)
      throws Exception {
    if (transaction.isNotification()) {
      notifications.add(request);
    } else {
      answer.to(transaction, request);
    }
  }
}
