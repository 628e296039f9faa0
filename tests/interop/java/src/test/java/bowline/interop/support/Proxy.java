package bowline.interop.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** A TCP relay between client and server that a test can cut, freeze and take off the network. */
public final class Proxy implements AutoCloseable {
  private final int target;
  private final List<Link> links = new ArrayList<>();
  private ServerSocket listener;

  public Proxy(int target) throws IOException {
    this.target = target;
    listen(0);
  }

  public int port() {
    return listener.getLocalPort();
  }

  /** Drops the connections that are there; new ones pass. */
  public synchronized void cut() {
    links.forEach(Link::close);
    links.clear();
  }

  /** The connections that are there carry nothing any more and stay open; new ones pass. */
  public synchronized void freeze() {
    links.forEach(link -> link.frozen = true);
  }

  /** Drops everything and refuses new connections. */
  public void goOffline() throws IOException {
    close();
  }

  /** The end of {@link #goOffline()}, on the same port. */
  public void goOnline() throws IOException {
    listen(port());
  }

  @Override
  public void close() throws IOException {
    listener.close();
    cut();
  }

  private void listen(int port) throws IOException {
    ServerSocket socket = new ServerSocket();
    socket.setReuseAddress(true);
    socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    listener = socket;
    daemon(() -> accept(socket));
  }

  private void accept(ServerSocket socket) {
    while (!socket.isClosed()) {
      try {
        open(socket.accept(), socket);
      } catch (IOException e) {
        // The listener was closed, or the server is down: then the client sees its socket close.
      }
    }
  }

  private synchronized void open(Socket client, ServerSocket from) throws IOException {
    if (from.isClosed()) {
      // It came while the listener was being closed, which waits for the call of accept to return.
      client.close();
      return;
    }
    Socket server;
    try {
      server = new Socket(InetAddress.getLoopbackAddress(), target);
    } catch (IOException e) {
      client.close();
      throw e;
    }
    Link link = new Link(client, server);
    links.add(link);
    daemon(() -> link.pump(client, server));
    daemon(() -> link.pump(server, client));
  }

  private static void daemon(Runnable task) {
    Thread thread = new Thread(task, "proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private static final class Link {
    private final Socket client;
    private final Socket server;
    private volatile boolean frozen;

    Link(Socket client, Socket server) {
      this.client = client;
      this.server = server;
    }

    /** A frozen link goes on reading, so that no buffer fills and nothing is noticed. */
    void pump(Socket from, Socket to) {
      try {
        InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream();
        byte[] buffer = new byte[65_536];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          if (!frozen) {
            out.write(buffer, 0, n);
          }
        }
      } catch (IOException e) {
        // One side has gone; the other follows below.
      }
      if (!frozen) {
        close();
      }
    }

    void close() {
      try {
        client.close();
        server.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
