package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertThrows;

import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Peer;
import bowline.interop.support.Proxy;
import bowline.interop.support.TestClient;
import java.net.ServerSocket;
import java.time.Duration;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.kurento.jsonrpc.JsonRpcException;

/** What the client's connection listener is told. */
class EventsTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with();

  @ParameterizedTest
  @EnumSource
  void connected_and_disconnected_frame_a_clients_life(ClientKind kind) throws Exception {
    TestClient client = TestClient.idle(kind, SERVER.port(), "/demo");
    client.raw().connect();
    client.events().await(Events.CONNECTED);

    client.close();

    client.events().await(Events.DISCONNECTED);
    client.events().noneWithin(Duration.ofMillis(500), Events.RECONNECTING);
  }

  @ParameterizedTest
  @EnumSource
  void disconnected_is_told_after_a_close_message_too(ClientKind kind) throws Exception {
    TestClient client = TestClient.withSession(kind, SERVER.port());
    client.raw().setSendCloseMessage(true);

    client.close();

    client.events().await(Events.DISCONNECTED);
    client.events().noneWithin(Duration.ofMillis(500), Events.RECONNECTING);
  }

  @ParameterizedTest
  @EnumSource
  void connection_failed_is_told_when_nobody_listens(ClientKind kind) throws Exception {
    int free;
    try (ServerSocket socket = new ServerSocket(0)) {
      free = socket.getLocalPort();
    }
    TestClient client = TestClient.idle(kind, free, "/demo");

    assertThrows(JsonRpcException.class, () -> client.raw().connect());

    client.events().await(Events.CONNECTION_FAILED);
  }

  @ParameterizedTest
  @EnumSource
  void reconnecting_and_reconnected_frame_a_cut(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      proxy.cut();

      client.events().await(Events.RECONNECTING, Events.RECONNECTED_SAME);
    }
  }

  @ParameterizedTest
  @EnumSource
  void disconnected_is_told_when_the_client_gives_up(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSession(kind, proxy.port())) {
      client.raw().setTryReconnectingMaxTime(0);

      proxy.goOffline();

      client.events().await(Events.RECONNECTING, Events.DISCONNECTED);
    }
  }

  @ParameterizedTest
  @EnumSource
  void an_unknown_path_is_refused(ClientKind kind) {
    TestClient client = TestClient.idle(kind, SERVER.port(), "/no-such-path");

    assertThrows(JsonRpcException.class, () -> client.raw().connect());
  }
}
