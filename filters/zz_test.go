package filters_test
import ("testing";"math/rand/v2";"reflect";"unicode/utf8")
func TestHeavy(t *testing.T){ 
 for seed, config := range []string{"{}", `{"words": [{"kind": "word", "words": ["4111", "x用","a."]}], "patterns": [{"kind": "pat", "pattern": "b@c|[a-z]{2,40}0|é+|\\(.{3,10}\\)"}]}`} {
 h:=newHost(t,builtin(t,"redact")); h.configure(config); r:=rand.New(rand.NewPCG(uint64(seed),99))
 alpha:=[]string{"a","1","@",".","-"," ","%","4","0","\\","u","n",":","f","\u200b","é","用","=","\"","+","(",")","token=","password:","x","zq","00"}
 for i:=range 40000 { var text string; if i%2==0 {text=sprinkle(r,1+r.IntN(60))} else { for range 1+r.IntN(160) { text+=alpha[r.IntN(len(alpha))] } }
  fl:=uint32(i/2%2)*arguments; want,_:=h.find(text,fl)
  for range 6 { var cuts []int; p:=0; for p<len(text) { p+=1+r.IntN(1+r.IntN(80)); for p<len(text)&&!utf8.RuneStart(text[p]) {p++}; if p<len(text){cuts=append(cuts,p)} }
   got,_:=h.find(text,fl,cuts...); if !reflect.DeepEqual(got,want) { t.Fatalf("%q %d %v\n%s\n%s",text,fl,cuts,mark(text,got),mark(text,want)) } } } } }
