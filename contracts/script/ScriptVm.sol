// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice The cheat codes that deployments use.
interface ScriptVm {
    function startBroadcast() external;
    function stopBroadcast() external;
    function envOr(string calldata name, uint256 defaultValue) external view returns (uint256);
    function envOr(string calldata name, bool defaultValue) external view returns (bool);
    function envOr(string calldata name, bytes32 defaultValue) external view returns (bytes32);
    function envOr(string calldata name, address defaultValue) external view returns (address);
    function envOr(string calldata name, string calldata delimiter, address[] calldata defaultValue)
        external
        view
        returns (address[] memory);
    function prank(address sender) external;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}

ScriptVm constant SCRIPT_VM = ScriptVm(address(uint160(uint256(keccak256("hevm cheat code")))));
