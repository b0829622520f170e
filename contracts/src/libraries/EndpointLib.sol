// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {InvalidEndpoint} from "../consensus/AndeErrors.sol";

/// @title EndpointLib
/// @notice Rule for the RPC endpoint of a validator. Consumers must still treat it as hostile.
library EndpointLib {
    uint256 internal constant MAX_LENGTH = 128;
    /// @dev Bit b is set when byte b may occur: 0x21..0x7e without " ' < > \ and backtick.
    uint256 internal constant ALLOWED = (((1 << 0x7f) - 1) ^ ((1 << 0x21) - 1))
        & ~uint256((1 << 0x22) | (1 << 0x27) | (1 << 0x3c) | (1 << 0x3e) | (1 << 0x5c) | (1 << 0x60));

    /// @notice Reverts unless `endpoint` is http(s)://host..., at most 128 allowed characters.
    function check(string calldata endpoint) internal pure {
        bytes calldata text = bytes(endpoint);
        require(text.length <= MAX_LENGTH, InvalidEndpoint());
        bool http = text.length > 7 && bytes7(text[0:7]) == "http://";
        bool https = text.length > 8 && bytes8(text[0:8]) == "https://";
        require(http || https, InvalidEndpoint());
        uint256 seen;
        for (uint256 i = 0; i < text.length; ++i) {
            seen |= uint256(1) << uint8(text[i]);
        }
        require(seen & ~ALLOWED == 0, InvalidEndpoint());
    }
}
