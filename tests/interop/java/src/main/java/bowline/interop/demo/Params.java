package bowline.interop.demo;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import org.kurento.jsonrpc.JsonRpcErrorException;

/** The params of a request, as the library hands them over: without {@code sessionId}. */
final class Params {
  private static final int INVALID_PARAMS = -32602;

  private final JsonElement params;

  Params(JsonElement params) {
    this.params = params;
  }

  boolean given() {
    return params != null && !params.isJsonNull();
  }

  JsonElement orNull() {
    return given() ? params : JsonNull.INSTANCE;
  }

  int integer(String name) {
    try {
      return member(name).getAsInt();
    } catch (RuntimeException notAnInteger) {
      throw new JsonRpcErrorException(INVALID_PARAMS, "`" + name + "` must be an integer");
    }
  }

  String text(String name, String otherwise) {
    return has(name) ? member(name).getAsString() : otherwise;
  }

  /** A member that may be missing: then null. */
  JsonElement member(String name) {
    return has(name) ? params.getAsJsonObject().get(name) : null;
  }

  private boolean has(String name) {
    return given() && params.isJsonObject() && params.getAsJsonObject().has(name);
  }

  static JsonObject object(String name, JsonElement value) {
    JsonObject object = new JsonObject();
    object.add(name, value);
    return object;
  }

  static JsonObject object(String name, Number value) {
    JsonObject object = new JsonObject();
    object.addProperty(name, value);
    return object;
  }

  static JsonObject object(String name, boolean value) {
    JsonObject object = new JsonObject();
    object.addProperty(name, value);
    return object;
  }

  static JsonObject object(String name, String value) {
    JsonObject object = new JsonObject();
    object.addProperty(name, value);
    return object;
  }
}
