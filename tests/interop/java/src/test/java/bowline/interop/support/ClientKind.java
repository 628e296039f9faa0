package bowline.interop.support;

import org.kurento.jsonrpc.client.AbstractJsonRpcClientWebSocket;
import org.kurento.jsonrpc.client.JsonRpcClientNettyWebSocket;
import org.kurento.jsonrpc.client.JsonRpcClientWebSocket;
import org.kurento.jsonrpc.client.JsonRpcWSConnectionListener;

/** The two flavours of Kurento's Java client. They differ in the WebSocket library underneath. */
public enum ClientKind {
  NETTY {
    @Override
    AbstractJsonRpcClientWebSocket create(String url, JsonRpcWSConnectionListener listener) {
      return new JsonRpcClientNettyWebSocket(url, listener);
    }
  },
  JETTY {
    @Override
    AbstractJsonRpcClientWebSocket create(String url, JsonRpcWSConnectionListener listener) {
      return new JsonRpcClientWebSocket(url, listener);
    }
  };

  abstract AbstractJsonRpcClientWebSocket create(String url, JsonRpcWSConnectionListener listener);
}
