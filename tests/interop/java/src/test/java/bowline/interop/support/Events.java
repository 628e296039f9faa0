package bowline.interop.support;

import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.kurento.jsonrpc.client.JsonRpcWSConnectionListener;

/** What a client told its connection listener, in order. */
public final class Events implements JsonRpcWSConnectionListener {
  public static final String CONNECTED = "connected";
  public static final String CONNECTION_FAILED = "connection failed";
  public static final String DISCONNECTED = "disconnected";
  public static final String RECONNECTING = "reconnecting";
  public static final String RECONNECTED_SAME = "reconnected to the same session";
  public static final String RECONNECTED_NEW = "reconnected to a new session";

  private final BlockingQueue<String> queue = new LinkedBlockingQueue<>();

  /**
   * Waits for an event and forgets those before it. The client tells some of them twice: a cut is
   * noticed by its channel and by its heartbeat.
   */
  public void await(String wanted) {
    List<String> seen = new ArrayList<>();
    long end = System.nanoTime() + Within.LIMIT.toNanos();
    for (String event = next(end); event != null; event = next(end)) {
      if (event.equals(wanted)) {
        return;
      }
      seen.add(event);
    }
    fail("no event \"" + wanted + "\" within " + Within.LIMIT + ", only " + seen);
  }

  /** Watches for a while that an event does not come. */
  public void noneWithin(Duration watch, String unwanted) {
    long end = System.nanoTime() + watch.toNanos();
    for (String event = next(end); event != null; event = next(end)) {
      if (event.equals(unwanted)) {
        fail("the event \"" + unwanted + "\" came");
      }
    }
  }

  private String next(long end) {
    try {
      return queue.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void connected() {
    queue.add(CONNECTED);
  }

  @Override
  public void connectionFailed() {
    queue.add(CONNECTION_FAILED);
  }

  @Override
  public void disconnected() {
    queue.add(DISCONNECTED);
  }

  @Override
  public void reconnected(boolean sameServer) {
    queue.add(sameServer ? RECONNECTED_SAME : RECONNECTED_NEW);
  }

  @Override
  public void reconnecting() {
    queue.add(RECONNECTING);
  }
}
