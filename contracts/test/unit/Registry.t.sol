// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    AlreadyRegistered,
    Expired,
    InsufficientStake,
    InvalidEndpoint,
    InvalidSignerProof,
    NotAllowed,
    ParamOutOfBounds,
    SetFull,
    SignerInUse,
    TooFrequent,
    TransferAmountMismatch,
    Unauthorized,
    UnknownValidator
} from "../../src/consensus/AndeErrors.sol";
import {ConsensusConfig, SignerKey, ValidatorStatus, ValidatorView} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensusEvents} from "../../src/interfaces/IAndeConsensusEvents.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {FeeToken} from "../utils/FeeToken.sol";
import {VM} from "../utils/Vm.sol";

contract RegistryTest is ConsensusFixture {
    bytes32 internal constant PEER = bytes32(uint256(7));

    function setUp() external {
        deploy();
        deployCoordinator();
    }

    /// R2.
    function test_registerValidator_storesEverything() external {
        address owner = account(1);
        fund(owner, 1500e18);
        VM.expectEmit(true, true, true, true, address(consensus));
        emit IAndeConsensusEvents.ValidatorRegistered(1, owner, owner, PEER, ENDPOINT, 1500e18);
        VM.prank(owner);
        uint32 id = consensus.registerValidator(PEER, ENDPOINT, 1500e18);

        assertEq(id, 1, "id");
        ValidatorView memory v = consensus.getValidator(1);
        assertEq(v.owner, owner, "owner");
        assertEq(v.signer, owner, "signer");
        assertEq(v.p2pPeerId, PEER, "peer");
        assertEq(keccak256(bytes(v.rpcEndpoint)), keccak256(bytes(ENDPOINT)), "endpoint");
        assertEq(v.stake, 1500e18, "stake");
        assertEq(v.weight, 1500, "weight");
        assertTrue(v.status == ValidatorStatus.Active, "status");
        assertEq(consensus.idOfSigner(owner), 1, "idOfSigner");
        assertEq(consensus.idOfOwner(owner), 1, "idOfOwner");
        assertEq(token.balanceOf(address(consensus)), 1500e18, "custody");
        assertEq(consensus.bonded(), 1500e18, "bonded");
        assertEq(consensus.getActiveValidators().length, 1, "candidates");
        assertTrue(consensus.isValidator(owner), "isValidator");
        assertEq(consensus.totalVotingPower(), 1500, "power");
        assertEq(consensus.getActiveValidatorsCount(), 1, "count");
    }

    /// R2.
    function test_registerValidator_selector() external pure {
        assertTrue(
            bytes4(keccak256("registerValidator(bytes32,string,uint256)")) == bytes4(0x5d21b76a), "selector of users"
        );
    }

    /// R5.
    function test_registerValidator_twice_reverts() external {
        register(1, STAKE);
        address owner = account(1);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(AlreadyRegistered.selector, owner));
        consensus.registerValidator(PEER, ENDPOINT, STAKE);
    }

    /// R6.
    function test_registerValidator_lowStake_reverts() external {
        address owner = account(1);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(InsufficientStake.selector, STAKE - 1, STAKE));
        consensus.registerValidator(PEER, ENDPOINT, STAKE - 1);
    }

    /// R6.
    function test_registerValidator_stakeAbove96Bits_reverts() external {
        address owner = account(1);
        uint256 stake = uint256(type(uint96).max) + 1;
        fund(owner, stake);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("stake"), STAKE, type(uint96).max));
        consensus.registerValidator(PEER, ENDPOINT, stake);
    }

    function test_registerValidator_withoutAllowance_reverts() external {
        address owner = account(1);
        token.mint(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert();
        consensus.registerValidator(PEER, ENDPOINT, STAKE);
    }

    /// R8.
    function test_registerValidator_zeroPeer_reverts() external {
        address owner = account(1);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(InvalidEndpoint.selector);
        consensus.registerValidator(bytes32(0), ENDPOINT, STAKE);
    }

    /// R6.
    function test_registerValidator_feeOnTransferToken_reverts() external {
        FeeToken fee = new FeeToken();
        consensus.setStakeToken(address(fee));
        address owner = account(1);
        fee.mint(owner, STAKE);
        VM.prank(owner);
        fee.approve(address(consensus), STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(TransferAmountMismatch.selector, STAKE - STAKE / 100, STAKE));
        consensus.registerValidator(PEER, ENDPOINT, STAKE);
    }

    /// R11.
    function test_registerValidator_full_reverts() external {
        ConsensusConfig memory config = consensus.config();
        config.maxValidators = 3;
        consensus.configure(config);
        register(1, STAKE + 5);
        register(2, STAKE + 1);
        register(3, STAKE + 9);
        address owner = account(4);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(SetFull.selector, STAKE + 1));
        consensus.registerValidator(PEER, ENDPOINT, STAKE);
    }

    /// R12.
    function test_registerValidator_permissioned() external {
        ConsensusConfig memory config = consensus.config();
        config.permissioned = true;
        consensus.configure(config);
        address owner = account(1);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(NotAllowed.selector, owner));
        consensus.registerValidator(PEER, ENDPOINT, STAKE);

        consensus.setAllowed(owner, true);
        assertTrue(consensus.isAllowed(owner), "allowed");
        register(1, STAKE);
        consensus.disablePermissioned();
        assertTrue(!consensus.config().permissioned, "config follows");
        register(2, STAKE);
    }

    /// R14.
    function test_autoLaunch_atMinValidators() external {
        register(1, STAKE);
        register(2, STAKE);
        assertTrue(!consensus.launched(), "two are not enough");
        register(3, STAKE);
        assertTrue(consensus.launched(), "third launches");
        assertEq(consensus.lastFrozenEpoch(), 1, "two epochs frozen");
        assertEq(consensus.getValidatorSet(0).length, 3, "members");
        uint32 id = register(4, STAKE);
        assertEq(consensus.getValidator(id).joinEpoch, 2, "joins with the next frozen epoch");
        assertEq(consensus.getActiveValidators().length, 3, "not in the running set");
    }

    // Permit --------------------------------------------------------------------------------------

    function _permit(uint256 ownerKey, uint256 deadline) private view returns (uint8 v, bytes32 r, bytes32 s) {
        address owner = VM.addr(ownerKey);
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, owner, address(consensus), STAKE, token.nonces(owner), deadline));
        return VM.sign(ownerKey, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }

    /// R7.
    function test_registerValidatorWithPermit() external {
        address owner = account(1);
        token.mint(owner, STAKE);
        (uint8 v, bytes32 r, bytes32 s) = _permit(key(1), block.timestamp);
        VM.prank(owner);
        consensus.registerValidatorWithPermit(PEER, ENDPOINT, STAKE, block.timestamp, v, r, s);
        assertEq(consensus.idOfOwner(owner), 1, "registered");
    }

    /// R7.
    function test_registerValidatorWithPermit_frontRunPermit() external {
        address owner = account(1);
        token.mint(owner, STAKE);
        (uint8 v, bytes32 r, bytes32 s) = _permit(key(1), block.timestamp);
        token.permit(owner, address(consensus), STAKE, block.timestamp, v, r, s);
        VM.prank(owner);
        consensus.registerValidatorWithPermit(PEER, ENDPOINT, STAKE, block.timestamp, v, r, s);
        assertEq(consensus.idOfOwner(owner), 1, "registered all the same");
    }

    // Separate signer -----------------------------------------------------------------------------

    function _proof(address owner, uint256 signerKey, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        SignerKey memory k = SignerKey(owner, VM.addr(signerKey), PEER, nonce, deadline);
        return compactSign(signerKey, consensus.signerKeyDigest(k));
    }

    /// R3.
    function test_registerValidatorWithSigner() external {
        address owner = account(1);
        address signer = account(100);
        fund(owner, STAKE);
        bytes memory proof = _proof(owner, key(100), 0, block.timestamp);
        VM.prank(owner);
        consensus.registerValidatorWithSigner(signer, PEER, ENDPOINT, STAKE, block.timestamp, proof);
        assertEq(consensus.idOfSigner(signer), 1, "signer");
        assertEq(consensus.idOfSigner(owner), 0, "owner is no signer");
        assertEq(consensus.idOfOwner(owner), 1, "owner");
        assertEq(consensus.idOfOwner(signer), 0, "signer is no owner");
        assertEq(consensus.getActiveValidators()[0], signer, "candidate");
        assertEq(consensus.nonces(owner), 1, "nonce used");
    }

    /// R3.
    function test_registerValidatorWithSigner_65bytes() external {
        address owner = account(1);
        fund(owner, STAKE);
        SignerKey memory k = SignerKey(owner, VM.addr(key(100)), PEER, 0, block.timestamp);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key(100), consensus.signerKeyDigest(k));
        VM.prank(owner);
        consensus.registerValidatorWithSigner(
            VM.addr(key(100)), PEER, ENDPOINT, STAKE, block.timestamp, abi.encodePacked(r, s, v)
        );
        assertEq(consensus.idOfOwner(owner), 1, "registered");
    }

    /// R3.
    function test_registerValidatorWithSigner_badProofs_revert() external {
        address owner = account(1);
        address signer = account(100);
        fund(owner, STAKE);
        uint256 deadline = block.timestamp;
        bytes memory good = _proof(owner, key(100), 0, deadline);
        bytes memory high = good;
        (uint8 v, bytes32 r, bytes32 s) =
            VM.sign(key(100), consensus.signerKeyDigest(SignerKey(owner, signer, PEER, 0, deadline)));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        high = abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27));

        bytes[7] memory bad = [
            _proof(owner, key(101), 0, deadline), // another key
            _proof(account(2), key(100), 0, deadline), // for another owner
            _proof(owner, key(100), 1, deadline), // another nonce
            _proof(owner, key(100), 0, deadline + 1), // another deadline
            high, // the malleated twin
            bytes.concat(good, hex"00"), // trailing byte, read as 65 bytes
            bytes("")
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            VM.prank(owner);
            VM.expectRevert(InvalidSignerProof.selector);
            consensus.registerValidatorWithSigner(signer, PEER, ENDPOINT, STAKE, deadline, bad[i]);
        }
        // Another peer id or the zero signer are not what was signed either.
        VM.prank(owner);
        VM.expectRevert(InvalidSignerProof.selector);
        consensus.registerValidatorWithSigner(signer, bytes32(uint256(8)), ENDPOINT, STAKE, deadline, good);
        VM.prank(owner);
        VM.expectRevert(InvalidSignerProof.selector);
        consensus.registerValidatorWithSigner(address(0), PEER, ENDPOINT, STAKE, deadline, new bytes(65));
    }

    /// R3.
    function test_registerValidatorWithSigner_expired_reverts() external {
        VM.warp(1000);
        address owner = account(1);
        bytes memory proof = _proof(owner, key(100), 0, 999);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(Expired.selector, 999));
        consensus.registerValidatorWithSigner(VM.addr(key(100)), PEER, ENDPOINT, STAKE, 999, proof);
    }

    /// R4.
    function test_registerValidatorWithSigner_usedSigner_reverts() external {
        register(1, STAKE);
        address owner = account(2);
        address signer = account(1);
        fund(owner, STAKE);
        bytes memory proof = _proof(owner, key(1), 0, block.timestamp);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(SignerInUse.selector, signer));
        consensus.registerValidatorWithSigner(signer, PEER, ENDPOINT, STAKE, block.timestamp, proof);
    }

    // Top up and endpoint -------------------------------------------------------------------------

    /// R10.
    function test_topUp() external {
        register(1, STAKE);
        address owner = account(1);
        fund(owner, 5e18);
        VM.prank(owner);
        consensus.topUp(1, 5e18);
        ValidatorView memory v = consensus.getValidator(1);
        assertEq(v.stake, STAKE + 5e18, "stake");
        assertEq(consensus.bonded(), STAKE + 5e18, "bonded");
        assertEq(consensus.totalVotingPower(), 1005, "weight");
    }

    /// R10.
    function test_topUp_notOwner_reverts() external {
        register(1, STAKE);
        VM.prank(account(2));
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, account(2)));
        consensus.topUp(1, 1e18);
    }

    function test_topUp_unknown_reverts() external {
        VM.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        consensus.topUp(9, 1e18);
    }

    /// R10.
    function test_topUp_zeroAndTooMuch_revert() external {
        register(1, STAKE);
        address owner = account(1);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(InsufficientStake.selector, 0, 1));
        consensus.topUp(1, 0);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("stake"), 1, type(uint96).max));
        consensus.topUp(1, type(uint96).max);
        VM.prank(owner);
        VM.expectRevert();
        consensus.topUp(1, type(uint256).max);
    }

    /// R9.
    function test_updateEndpoint_oncePerEpoch() external {
        launchWith(3);
        address owner = account(2);
        VM.prank(owner);
        consensus.updateEndpoint(2, PEER, "https://node.example:8545/rpc");
        assertEq(consensus.getValidator(2).p2pPeerId, PEER, "peer");
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(TooFrequent.selector, 1));
        consensus.updateEndpoint(2, PEER, ENDPOINT);
        submitTo(599);
        submitTo(650);
        VM.prank(owner);
        consensus.updateEndpoint(2, PEER, ENDPOINT);
    }

    /// R9.
    function test_updateEndpoint_beforeLaunch_free() external {
        register(1, STAKE);
        VM.prank(account(1));
        consensus.updateEndpoint(1, PEER, "http://a.b:1");
        VM.prank(account(1));
        consensus.updateEndpoint(1, PEER, "http://a.c:1");
    }

    function test_updateEndpoint_notOwner_reverts() external {
        register(1, STAKE);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.updateEndpoint(1, PEER, ENDPOINT);
    }

    /// R8.
    function test_endpoint_rules() external {
        register(1, STAKE);
        bytes memory longest = new bytes(128);
        for (uint256 i = 0; i < 128; ++i) {
            longest[i] = "a";
        }
        bytes memory prefix = "http://";
        for (uint256 i = 0; i < prefix.length; ++i) {
            longest[i] = prefix[i];
        }
        _endpoint(string(longest), true);
        _endpoint("http://h", true);
        _endpoint("https://h", true);
        _endpoint("http://[2001:db8::1]:8545/x?y=z&k=%20", true);
        _endpoint(string(bytes.concat(longest, "a")), false);
        _endpoint("", false);
        _endpoint("http://", false);
        _endpoint("https://", false);
        _endpoint("ftp://host", false);
        _endpoint("HTTP://host", false);
        _endpoint("http://a b", false);
        _endpoint("http://a\n", false);
        _endpoint("http://a\"", false);
        _endpoint("http://a'", false);
        _endpoint("http://a`", false);
        _endpoint("http://a<", false);
        _endpoint("http://a>", false);
        _endpoint("http://a\\", false);
        _endpoint(string(bytes.concat("http://a", bytes1(0x7f))), false);
        _endpoint(string(bytes.concat("http://a", bytes1(0x80))), false);
        _endpoint(string(bytes.concat("http://a", bytes1(0x00))), false);
    }

    function _endpoint(string memory endpoint, bool valid) private {
        VM.prank(VM.addr(key(1)));
        if (!valid) VM.expectRevert(InvalidEndpoint.selector);
        consensus.updateEndpoint(1, PEER, endpoint);
    }

    function test_getValidators_pages() external {
        register(1, STAKE);
        register(2, STAKE);
        register(3, STAKE);
        assertEq(consensus.getValidators(0, 10).length, 3, "all");
        assertEq(consensus.getValidators(2, 1).length, 1, "one");
        assertEq(consensus.getValidators(2, 1)[0].id, 2, "second");
        assertEq(consensus.getValidators(4, 10).length, 0, "beyond");
        assertEq(consensus.getValidators(2, type(uint32).max).length, 2, "huge count");
        assertEq(consensus.getValidators(type(uint32).max, type(uint32).max).length, 0, "huge start");
    }
}
