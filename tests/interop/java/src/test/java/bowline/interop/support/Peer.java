package bowline.interop.support;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The server under test, one process for a test class.
 *
 * <p>Environment: {@code BOWLINE} is Bowline's program; {@code PEER_COMMAND} replaces it with
 * another command line; {@code PEER=original} says that this is Kurento's own server, which does
 * not do what is marked {@link BowlineOnly}.
 */
public final class Peer implements BeforeAllCallback, AfterAllCallback {
  private static final Path DEFAULT_PROGRAM = Path.of("../../../target/release/bowline");
  private static final Pattern LISTENING = Pattern.compile("listening on wss?://127\\.0\\.0\\.1:(\\d+)");
  private static final long START_SECONDS = 20;
  private static final long STOP_SECONDS = 10;

  private final List<String> flags;
  private Process process;
  private int port;

  private Peer(List<String> flags) {
    this.flags = flags;
  }

  /** A server with these flags beside {@code --listen}. */
  public static Peer with(String... flags) {
    return new Peer(List.of(flags));
  }

  public static boolean isOriginal() {
    return "original".equals(System.getenv("PEER"));
  }

  public int port() {
    return port;
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    start(0);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    stop();
  }

  /** Stops the process and starts another on the same port, which knows no session. */
  public void restart() {
    stop();
    start(port);
  }

  private void start(int wantedPort) {
    List<String> command = new ArrayList<>(program());
    command.addAll(List.of("serve", "--listen", "127.0.0.1:" + wantedPort));
    command.addAll(flags);
    try {
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    } catch (IOException e) {
      fail("cannot start the server " + command, e);
    }
    port = readPort(command);
  }

  private static List<String> program() {
    String command = System.getenv("PEER_COMMAND");
    if (command != null && !command.isBlank()) {
      return List.of(command.trim().split("\\s+"));
    }
    String named = System.getenv("BOWLINE");
    Path program = named == null || named.isBlank() ? DEFAULT_PROGRAM : Path.of(named);
    if (!Files.isExecutable(program)) {
      fail("no server program at " + program.toAbsolutePath().normalize()
          + ": build it with `cargo build --release` or name it in BOWLINE");
    }
    return List.of(program.toString());
  }

  private int readPort(List<String> command) {
    CompletableFuture<Integer> found = new CompletableFuture<>();
    Thread reader = new Thread(() -> drain(process, found), "server output");
    reader.setDaemon(true);
    reader.start();
    try {
      return found.get(START_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException | InterruptedException e) {
      process.destroyForcibly();
      return fail("the server did not tell its port within " + START_SECONDS + " s: " + command, e);
    }
  }

  /** Reads to the end, or the server would block when the pipe is full. */
  private static void drain(Process process, CompletableFuture<Integer> found) {
    try (BufferedReader output =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        Matcher matcher = LISTENING.matcher(line);
        if (matcher.matches()) {
          found.complete(Integer.parseInt(matcher.group(1)));
        }
      }
      found.completeExceptionally(new IOException("the server's output ended"));
    } catch (IOException e) {
      found.completeExceptionally(new UncheckedIOException(e));
    }
  }

  private void stop() {
    process.destroy();
    try {
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        fail("the server did not stop within " + STOP_SECONDS + " s of SIGTERM");
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
