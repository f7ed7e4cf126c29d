"""Addresses: none with a key in it is taken, whatever its scheme, and no message repeats the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run_mlf

from pipeline.errors import DatasetError
from pipeline.images.locations import absolute_location, open_location


@pytest.mark.parametrize(
    "address",
    [
        "s3://KEY:HUSH@bucket/x",
        "s3://KEY:a/HUSH@bucket/x",
        "S3://KEY:HUSH@bucket/x",
        "simplecache::s3://KEY:HUSH@bucket/x",
        "https://host/x.tar::s3://KEY:HUSH@bucket/x",
        "https://user:HUSH@host/x.tar",
        "https://HUSH@host/x.tar",
        "sftp://me:HUSH@host/x",
        "https://a.blob.core.windows.net/c/x.tar?sv=1&sig=HUSH",
        "https://b.s3.amazonaws.com/t-{0..3}.tar?X-Amz-Signature=HUSH",
        "https://host/x.tar?access_token=HUSH",
        "https://host/x.csv?api_key=HUSH",
    ],
)
def test_an_address_with_a_key_is_refused_without_repeating_it(address: str) -> None:
    for use in (absolute_location, open_location):
        with pytest.raises(DatasetError, match=r"://…: the address has a key in it.*environment") as refused:
            use(address)
        assert "HUSH" not in str(refused.value)
        assert "KEY:" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/cats:dogs/x@2",
        "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/x@2",
        "hf://datasets/x@main/data",
        "sftp://me@host/x",
        "abfs://container@account.dfs.core.windows.net/x",
        "https://host:8080/x@y/a:b",
        "https://host/token/x.tar",
    ],
)
def test_other_addresses_are_taken(address: str) -> None:
    assert absolute_location(address) == address


def test_a_query_of_the_web_is_no_pattern(tmp_path: Path) -> None:
    told = run_mlf("init", tmp_path / "p", "--images", "https://127.0.0.1:9/train.tar?download=true", code=2)
    assert "https://127.0.0.1:9/train.tar?…: has a query behind its name" in told
    assert "leave out the `?`" in told
