package bowline.interop.demo;

import org.kurento.jsonrpc.Transaction;

/** One method of the demo server. */
interface DemoMethod {
  void answer(Transaction transaction, Params params) throws Exception;
}
