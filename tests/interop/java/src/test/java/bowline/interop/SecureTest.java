package bowline.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bowline.interop.support.BowlineOnly;
import bowline.interop.support.ClientKind;
import bowline.interop.support.Events;
import bowline.interop.support.Json;
import bowline.interop.support.Peer;
import bowline.interop.support.Proxy;
import bowline.interop.support.TestClient;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Over {@code wss://}, with a certificate that the server has made up. */
@BowlineOnly("its demo server has no TLS")
class SecureTest {
  @RegisterExtension
  static final Peer SERVER = Peer.with("--tls-self-signed");

  @ParameterizedTest
  @EnumSource
  void calls_and_notifications_go_both_ways(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSecureSession(kind, SERVER.port())) {
      assertEquals(Json.object("{'a':'Grüße 🚢'}"), client.call("echo", Json.object("{'a':'Grüße 🚢'}")));
      assertEquals(
          Json.object("{'sent':3}"), client.call("notify-me", Json.object("{'n':3,'method':'tick'}")));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_long_message_goes_both_ways(ClientKind kind) throws Exception {
    try (TestClient client = TestClient.withSecureSession(kind, SERVER.port())) {
      String text = "x".repeat(500_000);
      assertEquals(Json.object("{'a':'" + text + "'}"), client.call("echo", Json.object("{'a':'" + text + "'}")));
    }
  }

  @ParameterizedTest
  @EnumSource
  void a_cut_transport_is_replaced_and_the_session_is_the_same(ClientKind kind) throws Exception {
    try (Proxy proxy = new Proxy(SERVER.port());
        TestClient client = TestClient.withSecureSession(kind, proxy.port())) {
      client.call("count");

      proxy.cut();

      client.events().await(Events.RECONNECTED_SAME);
      assertEquals(Json.object("{'count':2,'isNew':false}"), client.call("count"));
    }
  }
}
