package bowline.interop.demo;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/**
 * The command line: the flags of {@code bowline serve}, so that either server can stand in for the
 * other. Flags for what the Kurento library does not have are refused, not ignored.
 */
final class Options {
  String host = "127.0.0.1";
  int port = 0;
  boolean pingWatchdog;
  Duration reconnectionTimeout = Duration.ofSeconds(10);
  long maxSessions = Long.MAX_VALUE;
  int maxMessageSize = 1_048_576;
  final List<String> allowedOrigins = new ArrayList<>();

  static Options parse(List<String> arguments) {
    Options options = new Options();
    Iterator<String> rest = arguments.iterator();
    while (rest.hasNext()) {
      String flag = rest.next();
      switch (flag) {
        case "serve" -> { }
        case "--listen" -> options.listen(value(flag, rest));
        case "--ping-watchdog" -> options.pingWatchdog = true;
        case "--reconnection-timeout" -> options.reconnectionTimeout = duration(value(flag, rest));
        case "--max-sessions" -> options.maxSessions = Long.parseLong(value(flag, rest));
        case "--max-message-size" -> options.maxMessageSize = Integer.parseInt(value(flag, rest));
        case "--allow-origin" -> options.allowedOrigins.add(value(flag, rest));
        default -> throw new IllegalArgumentException("unknown argument " + flag);
      }
    }
    return options;
  }

  private void listen(String address) {
    int colon = address.lastIndexOf(':');
    host = address.substring(0, colon);
    port = Integer.parseInt(address.substring(colon + 1));
  }

  private static String value(String flag, Iterator<String> rest) {
    if (!rest.hasNext()) {
      throw new IllegalArgumentException(flag + " needs a value");
    }
    return rest.next();
  }

  private static Duration duration(String text) {
    if (text.endsWith("ms")) {
      return Duration.ofMillis(Long.parseLong(text.substring(0, text.length() - 2)));
    }
    if (text.endsWith("s")) {
      return Duration.ofSeconds(Long.parseLong(text.substring(0, text.length() - 1)));
    }
    throw new IllegalArgumentException("no duration: " + text + " (such as 500ms or 10s)");
  }
}
