import hashlib
import os

from cry_tf.data.content_digest import content_digests, content_sha256, same_content


def test_the_digest_is_that_of_the_bytes(tmp_path):
    paths = []
    for i in range(5):
        paths.append(tmp_path / str(i))
        paths[-1].write_bytes(os.urandom(1000 * i))
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    assert content_digests(paths) == expected


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    before = content_sha256(path)
    path.write_bytes(b"two!")
    assert content_sha256(path) == hashlib.sha256(b"two!").hexdigest() != before


def test_equal_files_are_found_and_only_files_of_equal_size_are_read(
    tmp_path, monkeypatch
):
    contents = [b"abc", b"xyz", b"abc", b"longer", b"abc", b"xyz", b""]
    paths = []
    for i, content in enumerate(contents):
        paths.append(tmp_path / str(i))
        paths[-1].write_bytes(content)
    read = []
    monkeypatch.setattr(
        "cry_tf.data.content_digest.content_sha256",
        lambda path: read.append(path) or path.read_bytes().hex(),
    )
    assert same_content(paths) == [[0, 2, 4], [1, 5]]
    assert paths[3] not in read
    assert paths[6] not in read
    assert same_content([]) == []
