package bowline.interop.support;

import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.kurento.jsonrpc.client.AbstractJsonRpcClientWebSocket;
import org.kurento.jsonrpc.client.JsonRpcClientNettyWebSocket;
import org.kurento.jsonrpc.client.JsonRpcClientWebSocket;
import org.kurento.jsonrpc.client.JsonRpcWSConnectionListener;

/** The two flavours of Kurento's Java client. They differ in the WebSocket library underneath. */
public enum ClientKind {
  /** It takes any certificate, and cannot be told not to. */
  NETTY {
    @Override
    AbstractJsonRpcClientWebSocket create(String url, JsonRpcWSConnectionListener listener) {
      return new JsonRpcClientNettyWebSocket(url, listener);
    }
  },
  JETTY {
    @Override
    AbstractJsonRpcClientWebSocket create(String url, JsonRpcWSConnectionListener listener) {
      // Kurento's client for media servers, told setValidateCerts(false), does the same.
      return url.startsWith("wss:")
          ? new JsonRpcClientWebSocket(url, listener, new SslContextFactory.Client(true))
          : new JsonRpcClientWebSocket(url, listener);
    }
  };

  abstract AbstractJsonRpcClientWebSocket create(String url, JsonRpcWSConnectionListener listener);
}
