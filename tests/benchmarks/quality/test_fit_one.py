from benchmarks.quality.fit_one import memory_mb, reset_peak


def test_the_peak_of_memory_starts_where_it_is_reset():
    big = bytearray(100_000_000)
    _, peak = memory_mb()
    del big
    reset_peak()
    now, later = memory_mb()
    assert now <= later <= peak
