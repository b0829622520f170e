// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ScheduleMode} from "../../src/consensus/AndeTypes.sol";
import {CodeStoreLib} from "../../src/libraries/CodeStoreLib.sol";
import {EndpointLib} from "../../src/libraries/EndpointLib.sol";
import {InclusionLib} from "../../src/libraries/InclusionLib.sol";
import {ScheduleLib} from "../../src/libraries/ScheduleLib.sol";
import {ValidatorSetLib} from "../../src/libraries/ValidatorSetLib.sol";
import {TestBase} from "../utils/TestBase.sol";
import {VM} from "../utils/Vm.sol";

/// @title LibrariesFuzz
/// @notice Properties of schedule, sets, proofs and endpoints for any input.
contract LibrariesFuzz is TestBase {
    // Schedule ------------------------------------------------------------------------------------

    function _schedule(bytes32 seed, ScheduleMode mode, uint256 n, uint256 windows, uint256 maxWeight)
        private
        pure
        returns (ScheduleLib.Schedule memory)
    {
        uint256[] memory members = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            uint256 weight = 1 + uint256(keccak256(abi.encode(seed, "weight", i))) % maxWeight;
            members[i] = ValidatorSetLib.pack(address(uint160(i + 1)), uint64(weight), uint32(i + 1));
        }
        ValidatorSetLib.accumulate(members, 0);
        return ScheduleLib.Schedule({seed: seed, mode: mode, windowsPerEpoch: windows, members: members});
    }

    /// R30.
    /// @notice E4: over an epoch each member gets floor or ceil of its exact share of the windows.
    function testFuzz_E4_weightedQuota(bytes32 seed, uint256 n, uint256 windows, uint256 epoch, uint256 maxWeight)
        external
        pure
    {
        n = bound(n, 1, 40);
        windows = bound(windows, 1, 150);
        epoch = bound(epoch, 0, 1 << 40);
        maxWeight = bound(maxWeight, 1, 1 << 36);
        ScheduleLib.Schedule memory schedule = _schedule(seed, ScheduleMode.Weighted, n, windows, maxWeight);
        uint256[] memory turns = new uint256[](n);
        for (uint256 w = 0; w < windows; ++w) {
            ++turns[ScheduleLib.indexAt(schedule, epoch * windows + w, 0)];
        }
        uint256 total = ValidatorSetLib.weightOf(schedule.members[n - 1]);
        for (uint256 i = 0; i < n; ++i) {
            uint256 share = windows * ValidatorSetLib.memberWeight(schedule.members, i);
            assertTrue(turns[i] >= share / total, "at least the floor");
            assertTrue(turns[i] <= (share + total - 1) / total, "at most the ceiling");
            assertEq(ScheduleLib.assignedWindows(schedule, i), turns[i], "counted without walking");
        }
    }

    /// R31.
    /// @notice E4 for round-robin: any n consecutive windows of an epoch are one turn each.
    function testFuzz_E4_roundRobin(bytes32 seed, uint256 n, uint256 first) external pure {
        n = bound(n, 1, 64);
        ScheduleLib.Schedule memory schedule = _schedule(seed, ScheduleMode.RoundRobin, n, 200, 1000);
        first = bound(first, 0, 200 - n);
        uint256 seen = 0;
        for (uint256 w = first; w < first + n; ++w) {
            seen |= uint256(1) << ScheduleLib.indexAt(schedule, w, 0);
        }
        assertEq(seen, (uint256(1) << n) - 1, "everybody once");
    }

    function testFuzz_assignedWindows_roundRobin(bytes32 seed, uint256 n, uint256 windows) external pure {
        n = bound(n, 1, 64);
        windows = bound(windows, 1, 150);
        ScheduleLib.Schedule memory schedule = _schedule(seed, ScheduleMode.RoundRobin, n, windows, 1000);
        uint256[] memory turns = new uint256[](n);
        for (uint256 w = 0; w < windows; ++w) {
            ++turns[ScheduleLib.indexAt(schedule, w, 0)];
        }
        for (uint256 i = 0; i < n; ++i) {
            assertEq(ScheduleLib.assignedWindows(schedule, i), turns[i], "counted without walking");
        }
    }

    /// R32.
    /// @notice E5: n skips visit every member once; E3: the index is always a member.
    function testFuzz_E5_skipsArePermutation(bytes32 seed, uint256 n, uint64 window, bool weighted) external pure {
        n = bound(n, 1, 256);
        ScheduleMode mode = weighted ? ScheduleMode.Weighted : ScheduleMode.RoundRobin;
        ScheduleLib.Schedule memory schedule = _schedule(seed, mode, n, 72, 1000);
        uint256 seen = 0;
        for (uint256 skip = 0; skip < n; ++skip) {
            uint256 index = ScheduleLib.indexAt(schedule, window, skip);
            assertTrue(index < n, "member");
            seen |= uint256(1) << index;
        }
        assertEq(seen, n == 256 ? type(uint256).max : (uint256(1) << n) - 1, "permutation");
    }

    /// R30.
    /// @notice Nobody below the step distance has two windows in a row (72 windows: 40 % of the weight).
    function testFuzz_weighted_noTwoInARow(bytes32 seed, uint256 n) external pure {
        n = bound(n, 4, 40);
        ScheduleLib.Schedule memory schedule = _schedule(seed, ScheduleMode.Weighted, n, 72, 1000);
        uint256 total = ValidatorSetLib.weightOf(schedule.members[n - 1]);
        uint256 last = ScheduleLib.indexAt(schedule, 0, 0);
        for (uint256 w = 1; w < 72; ++w) {
            uint256 index = ScheduleLib.indexAt(schedule, w, 0);
            bool heavy = ValidatorSetLib.memberWeight(schedule.members, index) * 100 > total * 37;
            assertTrue(index != last || heavy, "two windows in a row");
            last = index;
        }
    }

    /// R30.
    function test_windowStep_values() external pure {
        assertEq(ScheduleLib.windowStep(1), 1, "1");
        assertEq(ScheduleLib.windowStep(2), 1, "2");
        assertEq(ScheduleLib.windowStep(3), 1, "3");
        assertEq(ScheduleLib.windowStep(6), 1, "6: 3 and 2 and 4 divide, 5 and 1 are equally far");
        assertEq(ScheduleLib.windowStep(72), 43, "72");
        assertEq(ScheduleLib.windowStep(144), 89, "144");
    }

    // Sets ----------------------------------------------------------------------------------------

    /// R13, R19.
    function testFuzz_E2_sortAndAccumulate(uint256 n, uint256 salt, uint256 capBps) external pure {
        n = bound(n, 1, 60);
        capBps = bound(capBps, 0, 10_000);
        uint256[] memory words = new uint256[](n);
        uint256 uncapped = 0;
        for (uint256 i = 0; i < n; ++i) {
            uint64 weight = uint64(1 + uint256(keccak256(abi.encode(salt, i))) % (1 << 37));
            uncapped += weight;
            // Distinct ids in a scrambled order.
            words[i] = ValidatorSetLib.pack(address(uint160(i + 1)), weight, uint32(1 + (i * 37 + salt % 61) % 61));
        }
        ValidatorSetLib.sortById(words);
        uint256 cap = capBps == 0 ? type(uint256).max : uncapped * capBps / 10_000;
        if (cap == 0) cap = 1;
        uint256[] memory own = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            own[i] = ValidatorSetLib.weightOf(words[i]);
            if (own[i] > cap) own[i] = cap;
        }
        uint256 total = ValidatorSetLib.accumulate(words, capBps);
        uint256 sum = 0;
        for (uint256 i = 0; i < n; ++i) {
            sum += own[i];
            assertEq(ValidatorSetLib.weightOf(words[i]), sum, "cumulative");
            assertEq(ValidatorSetLib.memberWeight(words, i), own[i], "own");
            assertTrue(own[i] != 0, "positive");
            if (i != 0) {
                assertGt(ValidatorSetLib.idOf(words[i]), ValidatorSetLib.idOf(words[i - 1]), "ascending ids");
            }
            assertTrue(uint160(ValidatorSetLib.signerOf(words[i])) <= n, "signer kept");
        }
        assertEq(total, sum, "total");
    }

    function testFuzz_pack_roundTrip(address signer, uint64 weight, uint32 id) external pure {
        uint256 word = ValidatorSetLib.pack(signer, weight, id);
        assertEq(ValidatorSetLib.signerOf(word), signer, "signer");
        assertEq(ValidatorSetLib.weightOf(word), weight, "weight");
        assertEq(ValidatorSetLib.idOf(word), id, "id");
    }

    // Inclusion -----------------------------------------------------------------------------------

    /// R49.
    function testFuzz_inclusion(uint32 count, uint32 index, bytes32 salt) external view {
        count = uint32(bound(count, 1, 70));
        index = uint32(bound(index, 0, count - 1));
        uint256 depth = InclusionLib.depthOf(count);
        bytes32[] memory level = new bytes32[](uint256(1) << depth);
        for (uint32 i = 0; i < count; ++i) {
            level[i] = InclusionLib.leaf(i, keccak256(abi.encode(salt, i)));
        }
        bytes32[] memory proof = new bytes32[](depth);
        for (uint256 d = 0; d < depth; ++d) {
            proof[d] = level[(index >> d) ^ 1];
            for (uint256 i = 0; i < level.length >> (d + 1); ++i) {
                level[i] = InclusionLib.node(level[2 * i], level[2 * i + 1]);
            }
        }
        bytes32 txHash = keccak256(abi.encode(salt, index));
        assertTrue(this.verify(level[0], count, index, txHash, proof), "member");
        assertTrue(!this.verify(level[0], count, index ^ 1, txHash, proof), "other position");
        assertTrue(!this.verify(level[0], count, index, keccak256(abi.encode(txHash)), proof), "other transaction");
        assertTrue(!this.verify(level[0], count * 2 + 2, index, txHash, proof), "other depth");
        for (uint256 d = 0; d < depth; ++d) {
            proof[d] ^= bytes32(uint256(1));
            assertTrue(!this.verify(level[0], count, index, txHash, proof), "other proof");
            proof[d] ^= bytes32(uint256(1));
        }
    }

    function verify(bytes32 root, uint32 count, uint32 index, bytes32 txHash, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return InclusionLib.verify(root, count, index, txHash, proof);
    }

    // Sets ----------------------------------------------------------------------------------------

    /// R20.
    function testFuzz_accumulate_capsEachWeight(bytes32 seed, uint256 n, uint256 capBps) external pure {
        n = bound(n, 1, 40);
        capBps = bound(capBps, 1, 10_000);
        uint256[] memory words = new uint256[](n);
        uint256[] memory weights = new uint256[](n);
        uint256 uncapped = 0;
        for (uint256 i = 0; i < n; ++i) {
            weights[i] = 1 + uint256(keccak256(abi.encode(seed, i))) % 1000;
            words[i] = ValidatorSetLib.pack(address(1), uint64(weights[i]), uint32(i + 1));
            uncapped += weights[i];
        }
        uint256 cap = uncapped * capBps / 10_000;
        uint256 total = ValidatorSetLib.accumulate(words, capBps);
        for (uint256 i = 0; i < n; ++i) {
            uint256 weight = ValidatorSetLib.memberWeight(words, i);
            assertEq(weight, weights[i] > cap ? (cap == 0 ? 1 : cap) : weights[i], "weight");
        }
        assertEq(total, ValidatorSetLib.weightOf(words[n - 1]), "total");
    }

    /// R19, R20.
    /// @notice A share that rounds down to nothing still leaves everybody a vote.
    function test_accumulate_neverZero() external pure {
        uint256[] memory words = new uint256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            words[i] = ValidatorSetLib.pack(address(1), uint64(1 + i), uint32(i + 1));
        }
        assertEq(ValidatorSetLib.accumulate(words, 999), 4, "one each");
    }

    /// R17.
    /// @notice A set that cannot be stored is never half stored.
    function test_store_withoutGas_reverts() external {
        uint256[] memory words = new uint256[](256);
        (bool ok, bytes memory reason) = address(this).call{gas: 1_000_000}(abi.encodeCall(this.store, (words)));
        assertTrue(!ok, "stored");
        assertEq(bytes32(bytes4(reason)), bytes32(CodeStoreLib.CodeStoreFailed.selector), "reason");
        this.store(words);
    }

    function store(uint256[] calldata words) external returns (address) {
        return ValidatorSetLib.store(words, 0);
    }

    // Endpoints -----------------------------------------------------------------------------------

    /// R8.
    /// @notice The bit set of EndpointLib is the rule written out, for every byte value.
    function test_endpoint_everyByte() external view {
        for (uint256 b = 0; b < 256; ++b) {
            bool allowed =
                b >= 0x21 && b <= 0x7e && b != 0x22 && b != 0x27 && b != 0x60 && b != 0x3c && b != 0x3e && b != 0x5c;
            (bool ok,) = address(this)
                .staticcall(
                    abi.encodeCall(this.checkEndpoint, (string(bytes.concat("http://a", bytes1(uint8(b)), "c"))))
                );
            assertTrue(ok == allowed, "byte");
        }
    }

    /// R8.
    function testFuzz_endpoint_needsScheme(string calldata text) external view {
        bytes memory raw = bytes(text);
        VM.assume(raw.length < 4 || raw[0] != "h" || raw[1] != "t" || raw[2] != "t" || raw[3] != "p");
        (bool ok,) = address(this).staticcall(abi.encodeCall(this.checkEndpoint, (text)));
        assertTrue(!ok, "no scheme");
    }

    function checkEndpoint(string calldata endpoint) external pure {
        EndpointLib.check(endpoint);
    }
}
