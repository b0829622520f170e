// Uses a node as a program with viem does. Arguments: HTTP and WebSocket endpoint, private key, file with
// {abi, bytecode}. Prints one JSON object; any difference from the expected is an exception.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {createPublicClient, createWalletClient, defineChain, http, parseEther, webSocket} from 'viem';
import {privateKeyToAccount} from 'viem/accounts';

const [url, ws, key, artifactFile] = process.argv.slice(2);
const artifact = JSON.parse(fs.readFileSync(artifactFile, 'utf8'));
const transport = http(url, {batch: true});
const probe = createPublicClient({transport});
const id = await probe.getChainId();
const chain = defineChain({id, name: 'L2', nativeCurrency: {name: 'Ether', symbol: 'ETH', decimals: 18}, rpcUrls: {default: {http: [url]}}});
const client = createPublicClient({chain, transport, pollingInterval: 100});
const socket = createPublicClient({chain, transport: webSocket(ws)});
const account = privateKeyToAccount(key);
const wallet = createWalletClient({account, chain, transport});

const heads = [];
const unwatchHeads = socket.watchBlocks({onBlock: (block) => heads.push(block.number), onError: (error) => { throw error; }});
const start = await client.getBlockNumber();

const hash = await wallet.sendTransaction({to: '0x00000000000000000000000000000000000000f7', value: parseEther('0.25')});
const receipt = await client.waitForTransactionReceipt({hash});
assert.equal(receipt.status, 'success');
const block = await client.getBlock({blockHash: receipt.blockHash, includeTransactions: true});
assert.ok(block.transactions.some((transaction) => transaction.hash === hash));

const deployed = await wallet.deployContract({abi: artifact.abi, bytecode: artifact.bytecode.object, args: [500n]});
const {contractAddress: address} = await client.waitForTransactionReceipt({hash: deployed});
const ledger = {address, abi: artifact.abi};
let heard;
const unwatchEvents = socket.watchContractEvent({...ledger, eventName: 'Moved', onLogs: ([log]) => { heard = log; }, onError: (error) => { throw error; }});
let moves = 0n;
// The library does not say when its subscription stands.
while (!heard) {
  const {request} = await client.simulateContract({...ledger, account, functionName: 'move', args: ['0x00000000000000000000000000000000000000f8', 4n]});
  await client.waitForTransactionReceipt({hash: await wallet.writeContract(request)});
  moves += 1n;
}
assert.equal(heard.args.amount, 4n);
assert.equal(await client.readContract({...ledger, functionName: 'held', args: ['0x00000000000000000000000000000000000000f8']}), 4n * moves);
const logs = await client.getContractEvents({...ledger, eventName: 'Moved', args: {from: account.address}, fromBlock: start});
assert.equal(BigInt(logs.length), moves);
const filter = await client.createBlockFilter();
const unfiltered = await client.getFilterChanges({filter});
assert.ok(Array.isArray(unfiltered));
await assert.rejects(client.simulateContract({...ledger, account, functionName: 'move', args: [account.address, 10_000n]}), /Missing/);
const proof = await client.getProof({address, storageKeys: ['0x0000000000000000000000000000000000000000000000000000000000000000']});
assert.equal(proof.storageProof[0].value, 500n);
while (heads.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
unwatchHeads();
unwatchEvents();
console.log(JSON.stringify({chainId: id, block: Number(receipt.blockNumber), heads: heads.length}));
process.exit(0);
