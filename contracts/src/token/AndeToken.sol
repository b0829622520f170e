// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title AndeToken
/// @notice Stake token of test networks: ERC-20 with permit that its owner can mint.
contract AndeToken is ERC20, ERC20Permit, Ownable {
    /// @param owner_ Receives the supply and may mint more.
    /// @param supply Initial supply in token wei.
    constructor(address owner_, uint256 supply) ERC20("ANDE", "ANDE") ERC20Permit("ANDE") Ownable(owner_) {
        _mint(owner_, supply);
    }

    /// @notice Creates `amount` token wei for `to`. Owner only.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }
}
