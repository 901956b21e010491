import time, pytest, sys, cProfile, pstats
from contract.stand import *
from ematix_flow.testing import MemoryBackend
R=[[row(1,"a"),row(2,"b")],[row(1,"x",2),row(3,"c")],[row(1,"a",3),row(2,"b"),row(3,"c")]]*10
@pytest.mark.parametrize("mode",["merge"])
@pytest.mark.parametrize("name",["one database","two databases"])
def test(backends,name,mode):
    b=backends[name]
    b.begin(MODES[mode]); m=MemoryBackend()
    p=cProfile.Profile(); p.enable()
    for r in R: agree(b,m,r)
    p.disable()
    s=pstats.Stats(p).sort_stats("tottime"); s.print_stats(12); s.sort_stats("cumtime").print_stats(45)
