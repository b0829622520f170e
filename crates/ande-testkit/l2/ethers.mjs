// Uses a node as a program with ethers does. Arguments: HTTP and WebSocket endpoint, private key, file with
// {abi, bytecode}. Prints one JSON object; any difference from the expected is an exception.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {ContractFactory, JsonRpcProvider, WebSocketProvider, Wallet, parseEther} from 'ethers';

const [http, ws, key, artifactFile] = process.argv.slice(2);
const artifact = JSON.parse(fs.readFileSync(artifactFile, 'utf8'));
// The library repeats answers of the last quarter of a second unless told not to: longer than a block here.
const provider = new JsonRpcProvider(http, undefined, {polling: true, pollingInterval: 100, cacheTimeout: -1});
const socket = new WebSocketProvider(ws);
const wallet = new Wallet(key, provider);

const network = await provider.getNetwork();
const heads = [];
await socket.on('block', (number) => heads.push(number));
const start = await provider.getBlockNumber();

const sent = await wallet.sendTransaction({to: '0x00000000000000000000000000000000000000e7', value: parseEther('0.5')});
const receipt = await sent.wait();
assert.equal(receipt.status, 1);
assert.equal(await provider.getBalance('0x00000000000000000000000000000000000000e7', receipt.blockNumber), parseEther('0.5')
  + await provider.getBalance('0x00000000000000000000000000000000000000e7', receipt.blockNumber - 1));

const ledger = await new ContractFactory(artifact.abi, artifact.bytecode.object, wallet).deploy(500n);
await ledger.waitForDeployment();
const address = await ledger.getAddress();
const heard = new Promise((resolve) => ledger.connect(socket).on('Moved', (from, to, amount) => resolve({from, to, amount})));
// The subscription must stand before the event happens.
await socket.send('eth_chainId', []);
await (await ledger.move('0x00000000000000000000000000000000000000e8', 3n)).wait();
assert.equal(await ledger.held('0x00000000000000000000000000000000000000e8'), 3n);
assert.equal((await heard).amount, 3n);
const logs = await ledger.queryFilter(ledger.filters.Moved(wallet.address), start, 'latest');
assert.equal(logs.length, 1);
await assert.rejects(ledger.move.staticCall(wallet.address, 10_000n), (error) => error.revert?.name === 'Missing');
const fees = await provider.getFeeData();
assert.ok(fees.maxFeePerGas > 0n);
while (heads.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify({chainId: Number(network.chainId), block: receipt.blockNumber, heads: heads.length}));
await socket.destroy();
provider.destroy();
