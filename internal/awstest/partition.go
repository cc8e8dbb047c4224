package awstest

import (
	"regexp"
	"strings"
)

// awsPartition is one of AWS's separate worlds.
type awsPartition struct {
	name      string
	regions   *regexp.Regexp
	iamRegion string // the only one that IAM's requests are signed for
}

var partitions = []*awsPartition{
	{"aws", regexp.MustCompile(`^(af|ap|ca|eu|il|me|mx|sa|us)-(north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]$`), "us-east-1"},
	{"aws-cn", regexp.MustCompile(`^cn-(north|northwest)-1$`), "cn-north-1"},
	{"aws-us-gov", regexp.MustCompile(`^us-gov-(east|west)-1$`), "us-gov-west-1"},
	{"aws-eusc", regexp.MustCompile(`^eusc-de-east-1$`), "eusc-de-east-1"},
}

// partitionOf is the partition that has the region, nil for none.
func partitionOf(region string) *awsPartition {
	for _, p := range partitions {
		if p.regions.MatchString(region) {
			return p
		}
	}
	return nil
}

// arn is an Amazon Resource Name taken apart at its first five colons.
type arn struct{ partition, service, region, account, resource string }

func parseARN(text string) (a arn, ok bool) {
	f := strings.SplitN(text, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[1] == "" || f[2] == "" || f[5] == "" {
		return arn{}, false
	}
	return arn{f[1], f[2], f[3], f[4], f[5]}, true
}

func (a arn) String() string {
	return strings.Join([]string{"arn", a.partition, a.service, a.region, a.account, a.resource}, ":")
}
