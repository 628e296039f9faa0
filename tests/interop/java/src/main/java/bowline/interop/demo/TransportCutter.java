package bowline.interop.demo;

import java.lang.reflect.Field;
import org.apache.tomcat.util.net.SocketWrapperBase;
import org.springframework.web.socket.WebSocketSession;
import org.springframework.web.socket.adapter.NativeWebSocketSession;

/**
 * Drops a TCP connection under a WebSocket session without a close frame. The container has no
 * method for that, so it is done on the socket in its private fields.
 */
final class TransportCutter {
  private TransportCutter() {
  }

  static void cut(WebSocketSession session) throws ReflectiveOperationException {
    Object container = ((NativeWebSocketSession) session).getNativeSession();
    Object endpoint = field(container, "wsRemoteEndpoint");
    ((SocketWrapperBase<?>) field(endpoint, "socketWrapper")).close();
  }

  private static Object field(Object owner, String name) throws ReflectiveOperationException {
    for (Class<?> type = owner.getClass(); type != null; type = type.getSuperclass()) {
      for (Field field : type.getDeclaredFields()) {
        if (field.getName().equals(name)) {
          field.setAccessible(true);
          return field.get(owner);
        }
      }
    }
    throw new NoSuchFieldException(name + " in " + owner.getClass());
  }
}
