// The real binary on a port of its own with data of its own.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BINARY = process.env.RINGCARD_BIN ?? new URL("../../target/debug/ringcard", import.meta.url).pathname;

const OFFICE = `
[[person]]
login = "anna"
name = "Анна Лебедева"
role = "manager"
department = "Продажи"
extensions = { cloud = ["301"] }
[[person]]
login = "boris"
name = "Борис Котов"
role = "manager"
department = "Продажи"
extensions = { cloud = ["302"] }
[[person]]
login = "helen"
name = "Елена Гусева"
role = "head"
department = "Продажи"
[[person]]
login = "olga"
name = "Olga Sokolova"
role = "owner"
language = "en"
[[line]]
account = "cloud"
number = "+74950000090"
name = "Сайт"
channel = "Поиск"
[[line]]
account = "cloud"
number = "+74950000091"
name = "Вывеска"
channel = "Наружная реклама"
`;

const CLIENTS = `phones,name,company,owner,note
+7 495 000-00-11,Вера Сергеева,ООО «Ромашка»,anna,Просила звонить после обеда
+7 495 000-00-12,Глеб Орлов,,boris,
`;

/** Starts a gateway with a small office; `api` is where its PBX account asks for recordings. */
export async function startGateway(api, pbx) {
  const folder = mkdtempSync(join(tmpdir(), "ringcard-browser-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = join(folder, "ringcard.toml");
  writeFileSync(config, `
[server]
listen = "127.0.0.1:${port}"
[web]
public_url = "${url}"
[store]
url = "sqlite:${join(folder, "ringcard.db")}"
[recordings]
folder = "${join(folder, "recordings")}"
[ops]
min_free_mib = 1
[[pbx]]
name = "cloud"
type = "mango"
vpbx_api_key = "env:STORY_KEY"
vpbx_api_salt = "env:STORY_SALT"
api_url = "${api}"
recordings = { private_network = true }
`);
  const env = { ...process.env, STORY_KEY: pbx.key, STORY_SALT: pbx.salt, RINGCARD_CONFIG: config };
  const run = (args, input) => execFileSync(BINARY, args, { env, input, cwd: folder, encoding: "utf8" });
  run(["migrate"]);
  run(["import", "office", "-"], OFFICE);
  run(["import", "clients", "-"], CLIENTS);
  const server = spawn(BINARY, ["serve"], { env, cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
  await answers(`${url}/healthz`);
  return {
    url,
    /** A one-time link that signs this person in. */
    link: (login) => /http\S+/.exec(run(["user", "link", login]))[0],
    stop: async () => {
      const ended = new Promise((done) => server.once("exit", done));
      server.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort() {
  return new Promise((found) => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}

async function answers(url) {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // not listening yet
    }
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(`${url} does not answer`);
}
