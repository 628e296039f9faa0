package bowline.interop.support;

import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The bound of every wait in these tests. */
public final class Within {
  public static final Duration LIMIT = Duration.ofSeconds(10);

  private Within() {
  }

  public static <T> T limit(CompletableFuture<T> future) throws ExecutionException {
    try {
      return future.get(LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException | InterruptedException e) {
      return fail("nothing within " + LIMIT, e);
    }
  }
}
