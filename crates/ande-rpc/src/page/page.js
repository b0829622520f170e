"use strict";
// Shows the document of /status. Every text of others goes through textContent.

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 5000;

const node = (id) => document.getElementById(id);
const text = (id, value) => { node(id).textContent = value ?? "-"; };
const list = (value) => (Array.isArray(value) ? value : []);

function age(millis) {
  if (!Number.isFinite(millis)) return "-";
  const seconds = Math.max(0, millis) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 600 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
}

// One row for each item: its cells, and the classes and key of the row.
function rows(id, items, describe) {
  const made = items.map((item) => {
    const { cells, classes, key } = describe(item);
    const row = document.createElement("tr");
    for (const cell of cells) {
      const field = document.createElement("td");
      field.textContent = cell ?? "-";
      row.append(field);
    }
    for (const name of classes ?? []) row.classList.add(name);
    row.dataset.key = key;
    return row;
  });
  node(id).replaceChildren(...made);
}

function show(doc) {
  const { chain = {}, consensus = {}, l1 = {} } = doc;
  const validators = list(doc.validators);
  const now = Number(doc.time_ms);
  const byName = new Map(validators.map((it) => [it.signer, it.name ?? `validator ${it.id}`]));
  const who = (signer) => byName.get(signer) ?? signer;

  text("name", doc.node?.name);
  text("about", `${doc.mode}, chain ${chain.l2_chain_id}, version ${doc.service?.version}`);
  document.title = `${doc.node?.name} at ${chain.latest}`;
  const state = consensus.halted ? "halted" : consensus.phase;
  text("state", doc.ready ? state : `not ready, ${state}`);
  document.body.dataset.state = doc.ready && !consensus.halted ? "good" : "bad";
  const warnings = list(doc.warnings).map((warning) => {
    const item = document.createElement("li");
    item.textContent = warning;
    return item;
  });
  node("warnings").replaceChildren(...warnings);

  const blocks = list(doc.blocks);
  text("height", chain.latest);
  text("age", blocks.length ? age(now - blocks[0].timestamp_ms) : "-");
  text("proposer", consensus.proposer ? who(consensus.proposer) : "-");
  text("round", consensus.round);
  text("skip", consensus.skip);
  text("rotation", consensus.rotation?.blocks);
  text("rotation-time", age(consensus.rotation?.millis));
  text("safe", chain.safe);
  text("finalized", chain.finalized);
  text("pool", doc.queue?.depth);
  text("forced", doc.forced?.waiting);
  text("settlement", l1.latest);
  text("settlement-final", l1.final);
  text("committee", `epoch ${consensus.epoch}, ${doc.fault_tolerance} may fail`);

  rows("validators", validators, (it) => ({
    key: it.id,
    classes: [...(it.connected ? [] : ["down"]), ...(it.is_proposer ? ["proposer"] : [])],
    cells: [
      "", it.id, it.name ?? it.signer, it.weight, it.height,
      it.height == null ? "-" : Math.max(0, chain.latest - it.height),
      it.is_self ? "this node" : it.connected ? "yes" : "no", it.status, it.endpoint,
    ],
  }));
  rows("blocks", blocks, (it) => ({
    key: it.height,
    cells: [
      it.height, age(now - it.timestamp_ms), it.transactions, who(it.proposer), it.skip, it.round,
      `${list(it.signers).length}: ${list(it.signers).map(who).sort().join(" ")}`,
    ],
  }));
  const posting = doc.posting ?? {};
  text("posting", `${posting.posted} accepted, ${posting.confirmed} final, ${posting.pending} on their way`);
  rows("batches", list(doc.batches), (it) => ({
    key: it.index,
    cells: [
      it.index, `${it.start_height} to ${it.end_height}`, it.state, it.signers, it.l1_block,
      age(now - it.created_at_ms), it.error ?? "",
    ],
  }));
}

async function poll() {
  try {
    const answer = await fetch("/status", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    document.body.dataset.state = "bad";
    text("state", `no answer: ${error.message}`);
  }
  setTimeout(poll, INTERVAL_MS);
}

poll();
