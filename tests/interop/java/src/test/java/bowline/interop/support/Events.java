package bowline.interop.support;

import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
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
   * Waits for these events, in whatever order: the client tells each on a thread of a pool, and of
   * two at once the second may come first. Other events are forgotten, and repetitions: a cut is
   * noticed by the client's channel and by its heartbeat.
   */
  public void await(String... wanted) {
    Set<String> missing = new LinkedHashSet<>(List.of(wanted));
    List<String> seen = new ArrayList<>();
    long end = System.nanoTime() + Within.LIMIT.toNanos();
    while (!missing.isEmpty()) {
      String event = next(end);
      if (event == null) {
        fail("no event " + missing + " within " + Within.LIMIT + ", only " + seen);
      }
      missing.remove(event);
      seen.add(event);
    }
  }

  /** Waits for one of these events. Others are forgotten. */
  public void awaitAny(String... wanted) {
    Set<String> missing = Set.of(wanted);
    List<String> seen = new ArrayList<>();
    long end = System.nanoTime() + Within.LIMIT.toNanos();
    for (String event = next(end); event == null || !missing.contains(event); event = next(end)) {
      if (event == null) {
        fail("none of the events " + missing + " within " + Within.LIMIT + ", only " + seen);
      }
      seen.add(event);
    }
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
