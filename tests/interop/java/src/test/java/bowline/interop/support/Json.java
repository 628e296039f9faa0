package bowline.interop.support;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

/** JSON as a test writes it: with apostrophes for quotation marks. */
public final class Json {
  private Json() {
  }

  public static JsonObject object(String text) {
    return element(text).getAsJsonObject();
  }

  public static JsonElement element(String text) {
    return JsonParser.parseString(text.replace('\'', '"'));
  }
}
