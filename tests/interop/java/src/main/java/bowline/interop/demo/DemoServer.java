package bowline.interop.demo;

import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.kurento.jsonrpc.internal.server.config.JsonRpcConfiguration;
import org.kurento.jsonrpc.server.JsonRpcConfigurer;
import org.kurento.jsonrpc.server.JsonRpcHandlerRegistry;
import org.springframework.boot.Banner;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.autoconfigure.web.servlet.DispatcherServletAutoConfiguration;
import org.springframework.boot.autoconfigure.web.servlet.ServletWebServerFactoryAutoConfiguration;
import org.springframework.boot.autoconfigure.websocket.servlet.WebSocketServletAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.servlet.context.ServletWebServerInitializedEvent;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.event.EventListener;
import org.springframework.web.socket.server.standard.ServletServerContainerFactoryBean;

/**
 * Kurento's own JSON-RPC server with the methods of Bowline's demo server, for Bowline's clients to
 * be tested against. Takes the flags of {@code bowline serve}.
 */
@Configuration
@Import(JsonRpcConfiguration.class)
@ImportAutoConfiguration({
  DispatcherServletAutoConfiguration.class,
  ServletWebServerFactoryAutoConfiguration.class,
  WebSocketServletAutoConfiguration.class
})
public class DemoServer implements JsonRpcConfigurer {
  /** Known before Spring starts, because two libraries read parts of it from static initialisers. */
  private static volatile Options options = new Options();

  private final ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor();

  public static void main(String[] arguments) {
    options = Options.parse(List.of(arguments));
    System.setProperty("ws.maxSessions", Long.toString(Math.min(options.maxSessions, Integer.MAX_VALUE)));
    new SpringApplicationBuilder(DemoServer.class)
        .bannerMode(Banner.Mode.OFF)
        .logStartupInfo(false)
        .properties(Map.of("server.address", options.host, "server.port", options.port))
        .run();
  }

  @Override
  public void registerJsonRpcHandlers(JsonRpcHandlerRegistry registry) {
    registry.addHandler(handler("/echo"), "/echo");
    registry.addHandler(handler("/demo"), "/demo");
    registry.addHandler(handler("/sockjs").withSockJS(), "/sockjs");
  }

  private DemoHandler handler(String path) {
    DemoHandler handler = new DemoHandler(path, options.reconnectionTimeout, later);
    handler.withPingWatchdog(options.pingWatchdog);
    handler.withAllowedOrigins(options.allowedOrigins.toArray(String[]::new));
    return handler;
  }

  /** Without this, the container closes a transport with 1009 for a message above 8,192 bytes. */
  @Bean
  public ServletServerContainerFactoryBean webSocketContainer() {
    ServletServerContainerFactoryBean container = new ServletServerContainerFactoryBean();
    container.setMaxTextMessageBufferSize(options.maxMessageSize);
    return container;
  }

  @EventListener
  public void listening(ServletWebServerInitializedEvent event) {
    System.out.println("listening on ws://" + options.host + ":" + event.getWebServer().getPort());
  }
}
