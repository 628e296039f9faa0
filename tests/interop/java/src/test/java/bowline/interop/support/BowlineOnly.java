package bowline.interop.support;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A scenario in which Kurento's own server fails, and how. It is left out only against that server. */
@Target({ElementType.METHOD, ElementType.TYPE})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(BowlineOnly.Condition.class)
public @interface BowlineOnly {
  /** What the original does instead. */
  String value();

  /** Reads {@link Peer#isOriginal()}. */
  final class Condition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      if (!Peer.isOriginal()) {
        return ConditionEvaluationResult.enabled("the peer is Bowline");
      }
      String reason = context.getElement().orElseThrow().getAnnotation(BowlineOnly.class).value();
      return ConditionEvaluationResult.disabled("the original: " + reason);
    }
  }
}
