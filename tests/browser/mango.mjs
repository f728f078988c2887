// A cloud PBX for the browser story: signs and posts events as Mango Office does, and gives the
// recording when it is asked for it.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const KEY = "browser-story-key";
const SALT = "browser-story-salt";
export const settings = { key: KEY, salt: SALT };

const sign = (json) => createHash("sha256").update(KEY + json + SALT).digest("hex");

/** Answers `queries/recording/post` with eight seconds of two voices. */
export async function startApi() {
  const audio = wav(8);
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const known = request.method === "POST" && request.url === "/vpbx/queries/recording/post";
      response.writeHead(known ? 200 : 404, { "content-type": "audio/wav", "content-length": known ? audio.length : 0 });
      response.end(known ? audio : undefined);
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}/vpbx`, stop: () => server.close() };
}

/** Stereo, 8 kHz, 16 bit: two tones that take turns every second. */
function wav(seconds) {
  const rate = 8000;
  const frames = rate * seconds;
  const bytes = Buffer.alloc(44 + frames * 4);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(36 + frames * 4, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(2, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 4, 28);
  bytes.writeUInt16LE(4, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(frames * 4, 40);
  for (let frame = 0; frame < frames; frame += 1) {
    const second = Math.floor(frame / rate);
    const swell = Math.sin(((frame % rate) / rate) * Math.PI);
    for (const side of [0, 1]) {
      const talks = second % 2 === side && second % 5 !== 4;
      const tone = talks ? Math.sin((frame / rate) * 2 * Math.PI * (side ? 220 : 130)) * 14000 * swell : 0;
      bytes.writeInt16LE(Math.round(tone), 44 + frame * 4 + side * 2);
    }
  }
  return bytes;
}

/** One incoming call, told event by event. `startedAt` is in whole seconds. */
export class Call {
  constructor(gateway, { id, client, line, startedAt }) {
    Object.assign(this, { gateway, id, client, line, startedAt, seq: {} });
  }

  rings(extension, after) {
    return this.#leg(extension, "Appeared", after);
  }

  answers(extension, after) {
    return this.#leg(extension, "Connected", after);
  }

  leaves(extension, after, reason) {
    return this.#leg(extension, "Disconnected", after, { disconnect_reason: reason });
  }

  async over({ extension, talkedFrom, end, reason }) {
    await this.#post("/events/summary", {
      entry_id: this.id,
      call_direction: 1,
      from: { number: this.client },
      to: { extension, number: `sip:${extension}@pbx.example` },
      line_number: this.line,
      create_time: this.startedAt,
      forward_time: this.startedAt,
      talk_time: talkedFrom ? this.startedAt + talkedFrom : 0,
      end_time: this.startedAt + end,
      entry_result: talkedFrom ? 1 : 0,
      disconnect_reason: reason,
    });
  }

  async recorded(extension, from, end) {
    const about = { recording_id: `${this.id}:r`, entry_id: this.id };
    const leg = { ...about, call_id: `${this.id}-${extension}`, extension };
    const started = { ...leg, recording_state: "Started", seq: 1, timestamp: this.startedAt + from };
    const completed = { ...leg, recording_state: "Completed", seq: 2, timestamp: this.startedAt + end, completion_code: 1000, recipient: "Cloud" };
    await this.#post("/events/recording", started);
    await this.#post("/events/recording", completed);
    await this.#post("/events/record/added", { ...about, product_id: 1, user_id: -1, timestamp: this.startedAt + end });
  }

  /** Rings, is answered after six seconds, lasts a minute. */
  async answeredBy(extension) {
    await this.rings(extension, 1);
    await this.answers(extension, 7);
    await this.leaves(extension, 67, 1120);
    await this.over({ extension, talkedFrom: 7, end: 67, reason: 1120 });
  }

  /** Rings for half a minute in vain. */
  async missedBy(extension) {
    await this.rings(extension, 1);
    await this.leaves(extension, 31, 1111);
    await this.over({ extension, end: 31, reason: 1111 });
  }

  #leg(extension, state, after, more = {}) {
    this.seq[extension] = (this.seq[extension] ?? 0) + 1;
    return this.#post("/events/call", {
      entry_id: this.id,
      call_id: `${this.id}-${extension}`,
      timestamp: this.startedAt + after,
      seq: this.seq[extension],
      call_state: state,
      location: "abonent",
      from: { number: this.client },
      to: { extension, number: `sip:${extension}@pbx.example`, line_number: this.line },
      dct: { type: 0 },
      ...more,
    });
  }

  async #post(path, message) {
    const json = JSON.stringify(message);
    const body = new URLSearchParams({ vpbx_api_key: KEY, sign: sign(json), json });
    const answer = await fetch(`${this.gateway}/hooks/cloud${path}`, { method: "POST", body });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }
}
