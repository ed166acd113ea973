// Socket.IO by hand over k6's WebSocket: k6 has none of its own.
import { WebSocket } from "k6/websockets";
import { Trend, Counter } from "k6/metrics";

const took = new Trend("answer", true);
const ticks = new Counter("ticks");
export const options = { vus: Number(__ENV.COUNT), duration: "1h" };

export default function () {
  const socket = new WebSocket(__ENV.URL);
  let asked = 0;
  let header = null;
  const ask = () => { asked = Date.now(); socket.send('42["getBalance"]'); };
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", (event) => {
    if (typeof event.data !== "string") {
      JSON.parse(String.fromCharCode(...new Uint8Array(event.data)));
      if (header === "updateStream") ticks.add(1);
      header = null;
    } else if (event.data.startsWith("451-")) {
      header = JSON.parse(event.data.slice(4))[0];
    } else if (event.data.startsWith("42")) {
      const [name] = JSON.parse(event.data.slice(2));
      if (name === "updateStream") ticks.add(1);
      else if (__ENV.WORK === "echo") { took.add(Date.now() - asked); ask(); }
    } else if (event.data.startsWith("40")) {
      socket.send(__ENV.AUTH);
      if (__ENV.WORK === "echo") ask();
    } else if (event.data[0] === "0") {
      socket.send("40");
    } else if (event.data[0] === "2") {
      socket.send("3");
    }
  });
}
