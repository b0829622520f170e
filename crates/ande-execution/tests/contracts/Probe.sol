// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A token with what of ERC-20 the tests need.
contract Token {
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint256 supply) {
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        require(balanceOf[msg.sender] >= value, "too little");
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }
}

contract Child {
    uint256 public value;

    constructor(uint256 first) payable {
        value = first;
    }

    function set(uint256 next) external returns (uint256) {
        value = next;
        return next + 1;
    }

    function fail() external pure {
        revert("child failed");
    }

    function die(address payable heir) external {
        selfdestruct(heir);
    }

    /// Needs gas that its caller must not keep back.
    function hungry(uint256 gas_) external {
        require(gasleft() >= gas_, "hungry");
        value += 1;
    }
}

/// Does one thing of each kind.
contract Probe {
    Child public child;
    uint256 public last;
    mapping(uint256 => uint256) public slots;

    event Made(address child);

    function make(uint256 first) external payable returns (address) {
        child = new Child{value: msg.value}(first);
        emit Made(address(child));
        return address(child);
    }

    function nested(uint256 value) external returns (uint256) {
        last = child.set(value);
        try child.fail() {} catch {}
        return last;
    }

    function makeAndKill(address payable heir) external payable returns (address) {
        Child one = new Child{value: msg.value}(1);
        one.die(heir);
        return address(one);
    }

    function feed(uint256 gas_) external {
        child.hungry(gas_);
    }

    function panics() external pure {
        assert(false);
    }

    function fill(uint256 from, uint256 count, uint256 value) external {
        for (uint256 i = from; i < from + count; i++) slots[i] = value;
    }

    function forever() external {
        while (true) last++;
    }

    function look(uint256 number, uint256 time)
        external
        view
        returns (bytes32 hash, bytes32 root, uint256 fee, uint256 limit, uint256 chain, uint256 random)
    {
        hash = blockhash(number);
        (bool ok, bytes memory out) =
            0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02.staticcall(abi.encode(time));
        if (ok && out.length == 32) root = abi.decode(out, (bytes32));
        fee = block.basefee;
        limit = block.gaslimit;
        chain = block.chainid;
        random = block.prevrandao;
    }

    /// The output of a precompile, kept in storage.
    function ask(address precompile, bytes calldata input) external returns (bool ok, bytes memory out) {
        (ok, out) = precompile.call(input);
        last = uint256(keccak256(abi.encode(ok, out)));
    }

    function transient(uint256 value) external returns (uint256 got) {
        assembly {
            tstore(1, value)
            got := tload(1)
        }
        last = got;
    }

    receive() external payable {}
}
