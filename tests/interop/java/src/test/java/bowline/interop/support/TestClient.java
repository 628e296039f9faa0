package bowline.interop.support;

import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.kurento.jsonrpc.JsonRpcErrorException;
import org.kurento.jsonrpc.client.AbstractJsonRpcClientWebSocket;
import org.kurento.jsonrpc.client.Continuation;

/** Kurento's client with what a test asks of it: recorded events, recorded requests, futures. */
public final class TestClient implements AutoCloseable {
  private final AbstractJsonRpcClientWebSocket client;
  private final Events events;
  private final Inbox inbox;

  private TestClient(AbstractJsonRpcClientWebSocket client, Events events) {
    this.client = client;
    this.events = events;
    this.inbox = new Inbox();
    client.setServerRequestHandler(inbox);
    client.setTryReconnectingForever(true);
    client.setRequestTimeout(10_000);
  }

  /** A client that has not connected. */
  public static TestClient idle(ClientKind kind, int port, String path) {
    return idleAt(kind, "ws://127.0.0.1:" + port + path);
  }

  /** The same for a URL. */
  public static TestClient idleAt(ClientKind kind, String url) {
    Events events = new Events();
    return new TestClient(kind.create(url, events), events);
  }

  /** A client with a transport but without a session: the first call makes one. */
  public static TestClient connected(ClientKind kind, int port) throws IOException {
    TestClient client = idle(kind, port, "/demo");
    client.client.connect();
    client.events.await(Events.CONNECTED);
    return client;
  }

  /** A client with a session. */
  public static TestClient withSession(ClientKind kind, int port) throws IOException {
    TestClient client = idle(kind, port, "/demo");
    client.client.connectWithSession();
    client.events.await(Events.CONNECTED);
    return client;
  }

  /** A client with a session, over TLS. */
  public static TestClient withSecureSession(ClientKind kind, int port) throws IOException {
    TestClient client = idleAt(kind, "wss://127.0.0.1:" + port + "/demo");
    client.client.connectWithSession();
    client.events.await(Events.CONNECTED);
    return client;
  }

  /** Kurento's own object, for what this class does not wrap. */
  public AbstractJsonRpcClientWebSocket raw() {
    return client;
  }

  public Events events() {
    return events;
  }

  public Inbox inbox() {
    return inbox;
  }

  public String sessionId() {
    return client.getSession().getSessionId();
  }

  public JsonElement call(String method, Object params) throws IOException {
    return client.sendRequest(method, params);
  }

  public JsonElement call(String method) throws IOException {
    return client.sendRequest(method);
  }

  public <R> R call(String method, Object params, Class<R> result) throws IOException {
    return client.sendRequest(method, params, result);
  }

  /** Calls a method that must fail. */
  public JsonRpcErrorException error(String method, Object params) {
    return assertThrows(JsonRpcErrorException.class, () -> client.sendRequest(method, params));
  }

  /** Calls without waiting. */
  public CompletableFuture<JsonElement> start(String method, JsonObject params) {
    CompletableFuture<JsonElement> answer = new CompletableFuture<>();
    client.sendRequest(
        method,
        params,
        new Continuation<JsonElement>() {
          @Override
          public void onSuccess(JsonElement result) {
            answer.complete(result);
          }

          @Override
          public void onError(Throwable cause) {
            answer.completeExceptionally(cause);
          }
        });
    return answer;
  }

  /** Asks for a session by its id on this client's transport. */
  public String claim(String sessionId) throws IOException {
    client.setSessionId(sessionId);
    return client.sendRequest("connect", String.class);
  }

  /**
   * Takes the network away for so long. The client tells that it is reconnecting, and nothing of
   * its failing attempts.
   */
  public void sufferOutage(Proxy proxy, Duration length) throws IOException {
    proxy.goOffline();
    events.await(Events.RECONNECTING);
    events.noneWithin(length, Events.RECONNECTED_SAME);
    proxy.goOnline();
  }

  @Override
  public void close() throws IOException {
    client.close();
  }
}
