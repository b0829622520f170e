// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Ledger
/// @notice A small token: storage in mappings, events with topics, an error with data.
contract Ledger {
    error Missing(address account, uint256 have, uint256 need);

    event Moved(address indexed from, address indexed to, uint256 amount);

    uint256 public supply;
    mapping(address account => uint256 amount) public held;

    constructor(uint256 initial) payable {
        supply = initial;
        held[msg.sender] = initial;
        emit Moved(address(0), msg.sender, initial);
    }

    function move(address to, uint256 amount) external {
        uint256 have = held[msg.sender];
        if (have < amount) revert Missing(msg.sender, have, amount);
        held[msg.sender] = have - amount;
        held[to] += amount;
        emit Moved(msg.sender, to, amount);
    }
}
