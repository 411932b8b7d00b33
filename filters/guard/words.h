// Words that the matching of phrases rests on: fillers, which are passed over, and irregular forms, written form=word.
#ifndef GUARD_WORDS_H
#define GUARD_WORDS_H

static const char filler_words[] =
	"a an the of to do does did you i me we us am is are was were be been being will would shall should can could may might must "
	"please just so that this these those it its in on at for with and or by as from some any very really quite actually "
	"kindly hey ok okay hi hello dear u ur plz pls um uh oh well also there about one "
	"they them he she him her sir madam bro dude man buddy ahead let lets able exactly simply basically literally";

static const char irregular_words[] =
	"built=build made=make makin=make bought=buy sold=sell stole=steal stolen=steal wrote=write written=write shot=shoot "
	"hid=hide hidden=hide got=get gotten=get gave=give given=give told=tell said=say showed=show shown=show taught=teach "
	"forgot=forget forgotten=forget forgetting=forget broke=break broken=break kept=keep left=leave lost=lose sent=send "
	"spoke=speak spoken=speak took=take taken=take thought=think understood=understand knew=know known=know began=begin "
	"begun=begin did=do done=do drew=draw drawn=draw fought=fight found=find held=hold hung=hang hurt=hurt ran=run stuck=stick "
	"struck=strike blew=blow blown=blow grew=grow grown=grow threw=throw thrown=throw killed=kill dying=die dies=die died=die "
	"howto=how howdo=how instruct=instruction instructs=instruction instructed=instruction instructing=instruction "
	"constructing=construct construction=construct creation=create production=produce producing=produce "
	"synthesis=synthesize synthesise=synthesize synthesizing=synthesize synthesising=synthesize fabrication=fabricate "
	"manufacturing=manufacture manufactured=manufacture assembly=assemble assembling=assemble detonation=detonate detonating=detonate "
	"revealing=reveal disclosure=disclose";

#endif
