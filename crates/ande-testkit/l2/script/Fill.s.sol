// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ledger} from "../src/Ledger.sol";

interface ScriptVm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @title Fill
/// @notice Six transactions that depend on each other.
contract Fill {
    ScriptVm private constant VM = ScriptVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (address first, address second) {
        VM.startBroadcast();
        Ledger a = new Ledger(1_000);
        Ledger b = new Ledger{value: 7 wei}(2_000);
        a.move(address(b), 100);
        b.move(address(a), 200);
        a.move(address(0xBEEF), a.held(address(b)) + 1);
        b.move(address(0xBEEF), b.supply() / 10);
        VM.stopBroadcast();
        return (address(a), address(b));
    }
}
